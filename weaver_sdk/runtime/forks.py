"""Threads at once: a fork that is waited for, one that is read as its threads end, one that is spawned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from weaver_sdk.backends.base import SharedPrefix, Span
from weaver_sdk.backends.prefixes import common_prefix
from weaver_sdk.errors import BackendError, BudgetError, ConfigurationError, IdleTimeout
from weaver_sdk.events import ForkOpened, Joined, ThreadFinished
from weaver_sdk.result import Outcome, Phase
from weaver_sdk.runtime.board import Board
from weaver_sdk.runtime.budget_spent import BudgetSpent, spent_in
from weaver_sdk.runtime.lines import LiveFork, LiveSegment, LiveThread, Spans, text_of
from weaver_sdk.runtime.outcomes import note_outcome
from weaver_sdk.runtime.warming import JoinWarmer

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope
    from weaver_sdk.runtime.state import RunState

T = TypeVar("T")

Work = Callable[["Scope", T], Awaitable[object]]
"""What one thread does: it is given its scope and its item."""

Label = Callable[[T], "str | tuple[str, str]"]
"""What a thread is called; a pair is the number that it carries in the text, and the words."""


@dataclass(frozen=True, kw_only=True)
class Stitching:
    """How threads are stitched into the line they fork from, byte for byte.

    For strategies whose model reads the joined text. All of it is called at any moment of a run, also while
    threads still write.
    """

    joined: Callable[[Sequence[Scope]], Iterable[Span]]
    """What the line holds of its threads."""
    seed: Callable[[Any], str] = lambda _: ""
    """From an item to the text that its thread goes on from. It is no part of the thread's own text."""
    leading: Callable[[Sequence[Scope]], Iterable[Span]] | None = None
    """What the line will hold up to the end of its first threads, so that it can be computed ahead."""


Join = str | Callable[["Sequence[Scope]"], str] | Stitching | None
"""What a line holds of its threads: this text, what a function makes of them, a stitching, or their texts."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How one fork is to be made."""

    label: Label[Any]
    join: Join = None
    phase: Phase = "answer"


class Opened:
    """A fork whose threads are about to start.

    Args:
        parent: the scope that forks.
        items: what the threads work on, one each.
        form: labels, and how threads are joined.

    Raises:
        BudgetError: the budget allows no fork at this depth, or fewer threads.
        BudgetSpent: the run has no fork left.
    """

    def __init__(self, parent: Scope, items: Iterable[Any], form: Form) -> None:
        self.state: RunState = parent._state
        self.parent = parent
        self.form = form
        self.items = list(items)
        self._check()
        state, line = self.state, parent._line
        state.forks += 1
        self.number = state.forks
        self._broken_off = False
        self.before: Spans = (*parent._before, *line.spans())
        self.children = self._children()
        now = state.recorder.now()
        self.live = LiveFork(
            number=self.number,
            threads=[child._line for child in self.children],
            render=self.rendered,
            started=now,
        )
        line.parts.append(self.live)
        self._place_in_answer = len(line.answer)
        line.answer.append("")
        state.recorder.emit(
            ForkOpened,
            fork=self.number,
            outlines=tuple(thread.label for thread in self.live.threads),
            labels=tuple(thread.number for thread in self.live.threads),
            parent=line.place,
        )

    def rendered(self) -> Iterable[Span]:
        """Return what the parent's line holds of the threads, as far as they have come."""
        join, whole = self.form.join, not self._broken_off and self._all_ended()
        if isinstance(join, Stitching):
            return join.joined(self.children)
        if isinstance(join, str):
            return (Span(join),)
        if join is None or not whole:
            return (Span("\n\n".join(filter(None, (child.text.strip("\n") for child in self.children)))),)
        return (Span(join(self.children)),)

    def join(self, *, broken_off: bool = False) -> None:
        """Put the threads into the parent's line; after an error no function of the user's is called."""
        line, live, recorder = self.parent._line, self.live, self.state.recorder
        self._broken_off = broken_off
        for child in self.children:
            if child not in self.state.ended:  # it was cancelled, or its own code raised
                self._finished(child)
        live.joined = tuple(self.rendered())
        live.ended = recorder.now()
        text = text_of(live.joined)
        if self.form.phase == "answer":
            line.answer[self._place_in_answer] = text
        recorder.emit(Joined, fork=self.number, text=text, phase=self.form.phase, parent=line.place)

    @asynccontextmanager
    async def joining(self) -> AsyncGenerator[None, None]:
        """Join the threads at the end of the block, however that is left."""
        try:
            yield
        except BaseException:
            self.join(broken_off=True)
            raise
        self.join()

    async def work_out(self, child: Scope, work: Work[Any], item: Any) -> None:
        """Work out one thread. What goes wrong with the server is its outcome, and no error of the run."""
        line, state = child._line, self.state
        line.started = state.recorder.now()
        outcome: Outcome = "done"
        try:
            async with AsyncExitStack() as ends:
                ends.push_async_exit(child._close)
                await work(child, item)
                outcome = child._outcome or child._last_outcome or "done"
        except (BudgetSpent, BaseExceptionGroup) as error:
            if (spent := spent_in(error)) is None:
                raise
            outcome = "timeout" if spent.by == "seconds" else "length"
        except BackendError as error:
            if state.recorder.raised_by_listener(error):
                raise
            outcome = "timeout" if isinstance(error, IdleTimeout) else "error"
            line.error = str(error)
        line.outcome = outcome
        self._finished(child)

    def _finished(self, child: Scope) -> None:
        """Note that a thread has come to its end, whatever that is."""
        line, state = child._line, self.state
        line.ended = state.recorder.now()
        state.ended.append(child)
        note_outcome(state.recorder, line)
        state.emit_in(line, ThreadFinished, outcome=line.outcome, tokens=line.tokens(), error=line.error)

    def _all_ended(self) -> bool:
        return all(child in self.state.ended for child in self.children)

    def _check(self) -> None:
        budget, depth = self.state.config.budget, self.parent._line.depth
        if depth >= budget.max_depth:
            raise BudgetError(
                f"a fork inside {depth} others: Budget(max_depth={budget.max_depth}) allows none; "
                f"give Budget(max_depth={depth + 1})"
            )
        if len(self.items) > budget.max_threads:
            raise BudgetError(
                f"a fork of {len(self.items)} threads: Budget(max_threads={budget.max_threads}) allows "
                f"fewer; give Budget(max_threads={len(self.items)})"
            )
        if self.state.forks >= budget.max_forks:
            raise BudgetSpent("forks")

    def _children(self) -> list[Scope]:
        join = self.form.join
        siblings = Siblings(f"{self.state.config.run_id}/{self.number}")
        board = Board()
        children = []
        for place, item in enumerate(self.items, start=1):
            label = self.form.label(item)
            number, words = label if isinstance(label, tuple) else (str(place), label)
            line = LiveThread(
                number=number, label=words, place=(self.number, place), depth=self.parent._line.depth + 1
            )
            seed = (Span(join.seed(item)),) if isinstance(join, Stitching) else ()
            children.append(
                self.parent._child(line, (*self.before, *seed), item, siblings=siblings, board=board)
            )
        return children


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


class Siblings:
    """The first requests of the threads of one fork: they are sent at once, and mostly begin alike.

    Those to different models have nothing in common.

    Args:
        key: the same for all of them, and for no other request.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._texts: dict[str, list[str]] = {}
        self._closed = False

    async def share(self, model: str, text: str) -> SharedPrefix | None:
        """Return what a request has in common with its siblings; `None` where it comes late, or alone.

        Args:
            model: which of the run's models it asks.
            text: all of its input.
        """
        if self._closed:
            return None
        texts = self._texts.setdefault(model, [])
        texts.append(text)
        await asyncio.sleep(0)  # all that begin with a request have come here in the same round
        self._closed = True
        if len(texts) < 2:
            return None
        first, last = min(texts), max(texts)
        common = first[: common_prefix(first, last)]
        key = self._key if model == "main" else f"{self._key}/{model}"
        return SharedPrefix(key=key, width=len(texts), text=common) if common else None


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
