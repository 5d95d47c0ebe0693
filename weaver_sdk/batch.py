"""Many runs, several at once; each result as soon as it is done."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import aclosing
from typing import Any, TypeVar

from weaver_sdk.errors import ConfigurationError, WeaverError
from weaver_sdk.messages import Messages
from weaver_sdk.result import Result

T = TypeVar("T")
Problems = Iterable[str | Messages] | AsyncIterable[str | Messages]
"""Questions or conversations; an async iterator may take its time for the next one."""


async def results_of(
    problems: Iterable[T] | AsyncIterable[T],
    solve: Callable[[int, T], Awaitable[Result]],
    concurrency: int,
    *,
    fatal: Callable[[BaseException], bool] = lambda error: False,
) -> AsyncGenerator[Result, None]:
    """Yield each result as soon as it is done; closing the generator ends all runs.

    Args:
        problems: read one by one, as runs end.
        solve: called with a problem's index and the problem.
        concurrency: runs at once.
        fatal: which errors end all runs at once, beside those that are no `WeaverError`.

    Raises:
        ExceptionGroup: at the end, the errors of all problems that failed; each names its problem.
        ConfigurationError: `problems` is a text.
    """
    places = asyncio.Semaphore(concurrency)
    running: dict[asyncio.Task[Result], int] = {}
    ended: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    errors: list[Exception] = []

    async def run(index: int, problem: T) -> Result:
        return await solve(index, problem)

    async def start_all() -> None:
        index = 0
        async with aclosing(_one_by_one(problems)) as one_by_one:
            await places.acquire()  # before a problem is read, not after
            async for problem in one_by_one:
                task = asyncio.create_task(run(index, problem))
                running[task] = index
                task.add_done_callback(ended.put_nowait)
                index += 1
                await places.acquire()

    starting = asyncio.create_task(start_all())
    starting.add_done_callback(ended.put_nowait)
    try:
        more = True
        while more or running:
            task = await ended.get()
            if task is starting:
                more = False
                await task  # raises what reading the problems raised
                continue
            index = running.pop(task)
            places.release()  # only now: who takes results slowly is not overrun by them
            if task.cancelled():
                raise asyncio.CancelledError
            error = task.exception()
            if isinstance(error, WeaverError) and not fatal(error):
                error.add_note(f"problem {index}")
                errors.append(error)
            else:
                yield task.result()
    finally:
        started = [starting, *running]
        for task in started:
            task.cancel()
        await asyncio.wait(started)
    if errors:
        raise ExceptionGroup(f"{len(errors)} problems failed", errors)


async def _one_by_one(problems: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    if isinstance(problems, str):  # an iterable, too: of its characters
        raise ConfigurationError("problems is a text: give a list of problems, or use `solve`")
    if isinstance(problems, AsyncIterable):
        async for problem in problems:
            yield problem
    else:
        for problem in problems:
            yield problem


def run_alone(
    solve: Callable[[], Coroutine[Any, Any, Result]], close: Callable[[], Awaitable[None]]
) -> Result:
    """Run a coroutine function in an event loop of its own, and close after it.

    Raises:
        ConfigurationError: an event loop is already running.
    """

    async def solve_and_close() -> Result:
        try:
            return await solve()
        finally:
            await close()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(solve_and_close())
    raise ConfigurationError("an event loop is running: use `await reasoner.solve(…)` instead of solve_sync")
