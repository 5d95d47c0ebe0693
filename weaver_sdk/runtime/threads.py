"""Threads at once: a fork that is waited for, one that is read as its threads end, one that is spawned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.runtime.budget_spent import BudgetSpent
from weaver_sdk.runtime.forks import Form, Opened, Stitching, Work
from weaver_sdk.runtime.lines import LiveSegment, Spans
from weaver_sdk.runtime.warming import JoinWarmer

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


async def fork(
    parent: Scope, items: Iterable[Any], work: Work[Any], form: Form, quorum: int | None
) -> list[Scope]:
    """Work out all threads at once and join them."""
    if quorum is not None and quorum < 1:
        raise ConfigurationError(f"fork(quorum={quorum}): use 1 or more")
    opened = Opened(parent, items, form)
    async with opened.joining(), AsyncExitStack() as ends:
        warmer = _warmer(opened)
        if warmer is not None:
            await ends.enter_async_context(warmer)
        async with _threads(opened, work) as ended:
            done = 0
            async for child in ended:
                if warmer is not None:
                    warmer.ended(child)
                done += child.outcome == "done"
                if quorum is not None and done >= quorum:
                    break
    parent._check_budget()
    return opened.children


@asynccontextmanager
async def each(
    parent: Scope, items: Iterable[Any], work: Work[Any], form: Form
) -> AsyncGenerator[AsyncIterator[Scope], None]:
    """Start all threads, and hand them out as they end; leaving the block cancels the rest."""
    opened = Opened(parent, items, form)
    async with opened.joining(), _threads(opened, work) as ended:
        yield ended
    parent._check_budget()


@asynccontextmanager
async def _threads(opened: Opened, work: Work[Any]) -> AsyncGenerator[AsyncIterator[Scope], None]:
    """Run all threads of a fork; at the end of the block those that still run are cancelled and closed.

    What a thread's own code raises cancels its siblings and comes out as it is, not in a group.
    """
    arrived: asyncio.Queue[Scope | None] = asyncio.Queue()
    failed: list[BaseException] = []
    tasks: list[asyncio.Task[None]] = []

    async def thread(child: Scope, item: Any) -> None:
        try:
            await opened.work_out(child, work, item)
        except Exception as error:
            failed.append(error)
            arrived.put_nowait(None)
            for task in tasks:
                task.cancel()
        else:
            arrived.put_nowait(child)

    async def as_they_end() -> AsyncGenerator[Scope, None]:
        for _ in opened.children:
            child = await arrived.get()
            if child is None:
                raise failed[0]
            yield child

    raised: Exception | BudgetSpent | None = None
    async with asyncio.TaskGroup() as group, aclosing(as_they_end()) as ended:
        for child, item in zip(opened.children, opened.items, strict=True):
            tasks.append(group.create_task(thread(child, item)))
        try:
            yield ended
        except (Exception, BudgetSpent) as error:
            raised = error
        for task in tasks:
            task.cancel()
    for problem in (*failed, raised):
        if problem is not None:
            raise problem


class Promise:
    """A thread that was spawned. Awaiting it gives its scope, once it has ended."""

    def __init__(self, opened: Opened, work: Work[Any]) -> None:
        self._opened = opened
        self._opened.live.waited_after = None
        [self._child], [item] = opened.children, opened.items
        self.task: asyncio.Task[None] = asyncio.create_task(opened.work_out(self._child, work, item))

    def __await__(self) -> Generator[Any, None, Scope]:
        return self._wait().__await__()

    async def _wait(self) -> Scope:
        await asyncio.wait([self.task])
        self._settle()
        self.task.result()
        self._opened.parent._check_budget()
        return self._child

    def cancel(self) -> None:
        """Cancel the thread, if it was not waited for."""
        if self._opened.live.joined is None:
            self.task.cancel()

    def close(self) -> BaseException | None:
        """Settle the thread, once its task is done; return an error of its code that has not come out yet."""
        if self._opened.live.joined is not None:
            return None
        self._settle()
        return None if self.task.cancelled() else self.task.exception()

    def _settle(self) -> None:
        live = self._opened.live
        if live.joined is None:
            parts = self._opened.parent._line.parts
            after = len(parts) - 1 - parts.index(live)
            if isinstance(last := parts[-1], LiveSegment) and not last.asked:
                after -= 1  # the client's own text, which what is asked next becomes part of
            live.waited_after = after
            self._opened.join()


async def close_all(promises: Sequence[Promise]) -> None:
    """Cancel what was not waited for. The first error in its code comes out all the same."""
    for promise in promises:
        promise.cancel()
    try:
        await _done([promise.task for promise in promises])
    finally:
        failed = [error for promise in promises if (error := promise.close()) is not None]
    if failed:
        raise failed[0]


async def _done(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the end of tasks that were cancelled, to the last also where the wait itself is cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _warmer(opened: Opened) -> JoinWarmer | None:
    """Return what computes a join ahead, where that is wanted and the stitching says how."""
    join, state, parent = opened.form.join, opened.state, opened.parent
    if not isinstance(join, Stitching) or join.leading is None or not state.config.warm_joins:
        return None
    leading, prompt = join.leading, parent._prompt or parent.prompt(parent.messages)

    def spans(first: int) -> Spans:
        return (*opened.before, *leading(opened.children[:first]))

    return JoinWarmer(
        opened.children,
        spans,
        state.config,
        prompt=prompt,
        recorder=state.recorder,
        where=f"run {state.config.run_id}, ahead of the join of fork {opened.number}",
    )
