"""A run that is watched: its events come out one by one, while it goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

from weaver_sdk.events import Event, RunFinished
from weaver_sdk.result import Result
from weaver_sdk.runtime.run import Run
from weaver_sdk.runtime.voices import Voice, VoiceReader

OnEvent = Callable[[Event], None]


class RunStream:
    """One run while it goes: its answer as text, its reasoning, or all of its events.

    ```python
    async with reasoner.stream(problem) as run:
        async for text in run.text():
            print(text, end="", flush=True)
    print(run.result.telemetry)
    ```

    `async for event in run` yields the events. Several loops may run at once, in tasks of their own or one
    after the other: the texts begin at their beginning in each loop, an event is yielded once. A slow reader
    does not slow the model down. An error of the run comes out of every loop.

    Leaving the block stops the run, if it still goes, and no request of it stays on the server.
    """

    def __init__(self, prepare: Callable[[OnEvent], Awaitable[Run]]) -> None:
        self._prepare = prepare
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._answer = Voice("answer")
        self._reasoning = Voice("reasoning")
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
            raise RuntimeError("the run has no result yet: read it to the end, or leave its block")
        return self._result

    def text(self) -> AsyncIterator[str]:
        """Yield the answer as it is written: what the main line writes in the phase "answer".

        Put together it is what the model says to the user, with no markup of forks and no reasoning. It may
        hold a `\\boxed{…}`, of which `result.answer` is the content. Where a run wrote no such text and an
        answer was found in its reasoning, that is yielded at the end.

        Raises:
            RuntimeError: the run is not open.
            WeaverError: as `solve` raises it; from the loop, after all text that came.
        """
        return self._reader(self._answer)

    def reasoning(self) -> AsyncIterator[str]:
        """Yield what the main line thinks, as it is written: its phase "reasoning", in the text or beside it.

        What threads write is not in it, since they write at once: `thread_delta` events tell them apart. Nor
        are plans, markup and replies to side questions.

        Raises:
            RuntimeError: the run is not open.
            WeaverError: as `solve` raises it; from the loop, after all text that came.
        """
        return self._reader(self._reasoning)

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
        self._opened()
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)  # a second loop over a finished run ends at once
        await self._raise_error()
        raise StopAsyncIteration

    def _reader(self, voice: Voice) -> VoiceReader:
        self._opened()
        return VoiceReader(voice, self._raise_error)

    def _opened(self) -> asyncio.Task[Result]:
        if self._task is None:
            raise RuntimeError("open the run first: `async with reasoner.stream(problem) as run:`")
        return self._task

    async def _raise_error(self) -> None:
        """Wait for the last steps of the run, and raise what ended it, unless it was stopped from here."""
        if not self._stopped:
            await self._opened()

    async def _go(self) -> Result:
        try:
            run = await self._prepare(self._out)
            return await run.execute()
        finally:
            self._events.put_nowait(None)
            self._answer.end()
            self._reasoning.end()

    def _out(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            self._result = event.result
        self._events.put_nowait(event)
        self._answer.hear(event)
        self._reasoning.hear(event)
