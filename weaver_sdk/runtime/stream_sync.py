"""A run to watch from code without an event loop: the loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.events import Event
from weaver_sdk.result import Result
from weaver_sdk.runtime.stream import RunStream

T = TypeVar("T")


class SyncRunStream:
    """One run while it goes, as `RunStream`, with `with` and `for` in place of `async with` and `async for`.

    ```python
    with reasoner.stream_sync(problem) as run:
        for text in run.text():
            print(text, end="", flush=True)
    print(run.result.telemetry)
    ```

    The run goes on in a thread of its own while your code does something else. Leaving the block stops the
    run, if it still goes, and closes the connections: each block opens its own.
    """

    def __init__(self, stream: RunStream, close: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._close = close
        self._loop: _LoopThread | None = None

    @property
    def result(self) -> Result:
        """The result, once the run has ended; after an early leave, what was done until then.

        Raises:
            RuntimeError: the run still goes, or ended before it began.
        """
        return self._stream.result

    def text(self) -> Iterator[str]:
        """Yield the answer as it is written. See `RunStream.text`."""
        return self._each(self._stream.text)

    def reasoning(self) -> Iterator[str]:
        """Yield what the main line thinks, as it is written. See `RunStream.reasoning`."""
        return self._each(self._stream.reasoning)

    def cancel(self) -> None:
        """Stop the run. Its last event is `run_finished`, with what was done until then."""
        if self._loop is not None:
            self._loop.call(_awaited(self._stream.cancel))

    def __iter__(self) -> Iterator[Event]:
        return self._each(self._stream.__aiter__)

    def __enter__(self) -> Self:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError(
                "an event loop is running: use `async with reasoner.stream(…)` instead of stream_sync"
            )
        self._loop = _LoopThread()
        self._loop.call(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            return

        async def leave() -> None:
            try:
                await self._stream.__aexit__(kind, error, traceback)
            finally:
                await self._close()

        try:
            loop.call(leave())
        finally:
            loop.close()

    def _each(self, items: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        loop = self._loop
        if loop is None:
            raise RuntimeError("read the run within its block: `with reasoner.stream_sync(problem) as run:`")
        return _steps(loop, loop.call(_awaited(items)))


def _steps(loop: _LoopThread, items: AsyncIterator[T]) -> Iterator[T]:
    async def step() -> tuple[T] | None:
        async for item in items:
            return (item,)
        return None

    while (found := loop.call(step())) is not None:
        yield found[0]


async def _awaited(function: Callable[[], T]) -> T:
    return function()


class _LoopThread:
    """An event loop in a thread of its own, until `close()`."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weaver-run", daemon=True)
        self._thread.start()
        self._ready.wait()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, and return or raise what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._until_closed())

    async def _until_closed(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._closing.wait()
