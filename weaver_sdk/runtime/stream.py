"""A run that is watched: its events come out one by one, while it goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

from weaver_sdk.events import Event, RunFinished
from weaver_sdk.result import Result
from weaver_sdk.runtime.run import Run

OnEvent = Callable[[Event], None]


class RunStream:
    """One run as an async iterator of events.

    ```python
    async with reasoner.stream(problem) as run:
        async for event in run:
            ...
    print(run.result.answer)
    ```

    Leaving the block stops the run, if it still goes, and no request of it stays on the server. Events wait
    in a queue: a slow reader does not slow the model down.
    """

    def __init__(self, prepare: Callable[[OnEvent], Awaitable[Run]]) -> None:
        self._prepare = prepare
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._task: asyncio.Task[Result] | None = None
        self._result: Result | None = None
        self._stopped = False

    @property
    def result(self) -> Result:
        """The result, once the run has ended; after an early leave, what was done until then.

        Raises:
            RuntimeError: the run still goes, or ended before it began.
        """
        if self._result is None:
            raise RuntimeError("the run has no result yet: read its events to the end, or leave its block")
        return self._result

    def cancel(self) -> None:
        """Stop the run. Its last event is `run_finished`, with what was done until then."""
        if self._task is not None and not self._task.done():
            self._stopped = True
            self._task.cancel()

    async def __aenter__(self) -> RunStream:
        self._task = asyncio.create_task(self._go())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
            # The error of a run whose events were not read to the end must not get lost.
            if kind is None and not self._task.cancelled() and (failed := self._task.exception()):
                raise failed

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._task is None:
            raise RuntimeError("open the run first: `async with reasoner.stream(problem) as run:`")
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)  # a second loop over a finished run ends at once
        if not self._stopped:
            await self._task
        raise StopAsyncIteration

    async def _go(self) -> Result:
        try:
            run = await self._prepare(self._out)
            return await run.execute()
        finally:
            self._events.put_nowait(None)

    def _out(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            self._result = event.result
        self._events.put_nowait(event)
