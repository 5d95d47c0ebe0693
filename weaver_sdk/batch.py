"""Many runs, several at once; each result as soon as it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from weaver_sdk.errors import ConfigurationError, WeaverError
from weaver_sdk.result import Result

T = TypeVar("T")


async def results_of(
    problems: Iterable[T],
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
    """
    waiting = enumerate(problems)
    running: dict[asyncio.Task[Result], int] = {}
    errors: list[Exception] = []

    async def run(index: int, problem: T) -> Result:
        return await solve(index, problem)

    def start_next() -> bool:
        numbered = next(waiting, None)
        if numbered is not None:
            running[asyncio.create_task(run(*numbered))] = numbered[0]
        return numbered is not None

    try:
        while len(running) < concurrency and start_next():
            pass
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = running.pop(task)
                start_next()
                if task.cancelled():
                    raise asyncio.CancelledError
                error = task.exception()
                if isinstance(error, WeaverError) and not fatal(error):
                    error.add_note(f"problem {index}")
                    errors.append(error)
                else:
                    yield task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
    if errors:
        raise ExceptionGroup(f"{len(errors)} problems failed", errors)


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
