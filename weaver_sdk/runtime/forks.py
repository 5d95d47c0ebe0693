"""One fork of a line: its threads, how they are labelled and seeded, how they are joined."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from weaver_sdk.backends.base import Span
from weaver_sdk.errors import BackendError, BudgetError, IdleTimeout
from weaver_sdk.events import ForkOpened, Joined, ThreadFinished
from weaver_sdk.result import Outcome, Phase
from weaver_sdk.runtime.board import Board
from weaver_sdk.runtime.budget_spent import BudgetSpent, spent_in
from weaver_sdk.runtime.lines import LiveFork, LiveThread, Spans, text_of
from weaver_sdk.runtime.outcomes import note_outcome
from weaver_sdk.runtime.siblings import Siblings

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
