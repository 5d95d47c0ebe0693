"""A model that writes fork/join markup by itself: decode, fork, threads, join, and on to the answer.

The one file that knows both the markup and the runtime.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from weaver_sdk.backends.base import Grammar, Prompt
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup import (
    THREADWEAVER,
    Dialect,
    Outline,
    build_problem_messages,
    close_block,
    close_think,
    read_outlines,
    thread_prefix,
)
from weaver_sdk.result import Phase
from weaver_sdk.runtime.completion import Completion
from weaver_sdk.runtime.forks import Stitching
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.strategies.grammars import Place
from weaver_sdk.strategies.notes import note_strays, note_thread
from weaver_sdk.strategies.reading import read_trajectory, warn_inexact
from weaver_sdk.strategies.stitched import joined_spans, task_of
from weaver_sdk.strategies.tags import (
    FORK,
    THINK_END,
    StopRules,
    TagFound,
    TagWatch,
    is_answering,
    is_open,
    main_rules,
    plain_rules,
    thread_rules,
)


@dataclass(frozen=True, kw_only=True)
class Native:
    """A model that was trained to fork, and goes on by itself after every join."""

    name = "native"
    dialect: Dialect = THREADWEAVER
    """The markup that it was trained to write."""

    async def run(self, scope: Scope) -> None:
        """Decode, fork and join until the model ends."""
        await self._machine(scope).main_line()

    async def conclude(self, scope: Scope) -> None:
        """Close what is open and let the model write its answer."""
        await self._machine(scope).lead_to_answer()

    def read(self, draft: Draft) -> Findings:
        """Return what the trajectory holds."""
        think_open = draft.prompt.rstrip().endswith(self.dialect.think[0])
        return read_trajectory(draft, self.dialect, think_open=think_open)

    def sequential(self) -> Native:
        """Return the same: in a run that may not fork, tags are plain text."""
        return self

    def _machine(self, scope: Scope) -> Machine:
        messages = build_problem_messages(scope.messages, self.dialect)
        return Machine(scope, self.dialect, scope.prompt(messages))


class Machine:
    """The state machine on the main line of one run.

    Args:
        scope: the main line.
        dialect: the markup of the model.
        prompt: what the model goes on from.
        grammar_for: for models that write the markup only when they are held to it.
        stop: further strings that end a sequence.
    """

    def __init__(
        self,
        scope: Scope,
        dialect: Dialect,
        prompt: Prompt,
        grammar_for: Callable[[Place], Grammar | None] | None = None,
        stop: tuple[str, ...] = (),
    ) -> None:
        self._scope = scope
        self._dialect = dialect
        self._prompt = prompt
        self._grammar_for = grammar_for
        self._stop = stop
        self._think_open = prompt.text.rstrip().endswith(dialect.think[0])
        self._forked = bool(scope.ended)
        self._unreadable = 0  # outlines without a fork; they use up forks, lest a model write no end of them
        self._answering = is_answering(scope.text, dialect)

    async def main_line(self) -> None:
        """Decode, fork and join until the model or the server ends it."""
        scope, dialect = self._scope, self._dialect
        lead, mended = "", False
        while True:
            may_fork = self._may_fork(scope) and not self._answering  # in an answer, tags are text
            rules = main_rules(dialect) if may_fork else plain_rules()
            scope.write(lead, phase="plan")
            said, watch = await self._decode(
                scope, rules, "resume" if self._forked else "open", begun=lead != ""
            )
            lead = ""
            if scope.mode == "parallel" and not self._answering:
                note_strays(scope.repaired, watch.passed, may_fork=may_fork)
            self._answering = self._answering or THINK_END in watch.passed
            if isinstance(found := said.stopped_at, TagFound) and found.key == FORK:
                scope.write(found.text, phase="plan")
                if not self._answering:
                    await self._fork(scope)
                continue
            if said.outcome == "length" or scope.mode == "sequential" or mended:
                return
            text = scope.text
            if may_fork and is_open(text, dialect, "outlines") and read_outlines(text, dialect).outlines:
                scope.repaired("unclosed_outlines", "closed where the model ended the sequence")
                scope.write(dialect.outlines[1], phase="plan")
                await self._fork(scope)
            elif is_open(text, dialect, "think", before=self._think_open):
                lead, mended = self._closing(text), True
            else:
                return

    async def lead_to_answer(self) -> None:
        """Close what is open and let the model write its answer."""
        scope, lead = self._scope, ""
        if not self._answering:
            lead = self._closing(scope.text, also_think=True)
            scope.repaired("led_to_answer", "the budget was spent: reasoning closed, answer asked for")
        scope.write(lead, phase="plan")
        await self._decode(scope, plain_rules(), "resume", begun=True)

    async def _thread(self, scope: Scope, outline: Outline) -> None:
        """Work out one thread."""
        dialect = self._dialect
        while True:
            rules = thread_rules(dialect, may_fork=self._may_fork(scope))
            said, _ = await self._decode(scope, rules, "thread", task=task_of(outline, dialect))
            found = said.stopped_at
            if not isinstance(found, TagFound) or found.key != FORK:
                break
            scope.write(found.text, phase="plan")
            await self._fork(scope)
        blank = said.outcome in ("done", "eos") and not scope.text.strip()
        scope.outcome = "empty" if blank else said.outcome
        note_thread(scope.repaired, scope.text, found if isinstance(found, TagFound) else None)

    async def _fork(self, scope: Scope) -> None:
        """Read the outlines at the end of a line, work out all threads at once, and join them."""
        dialect = self._dialect
        found = read_outlines(scope.text, dialect)
        for repair in found.repairs:
            scope.repaired(repair.kind, repair.done, fork=scope.forks + 1 if found.outlines else None)
        if not found.outlines:
            self._unreadable += 1
            return
        if not dialect.exact:
            warn_inexact(dialect.name)
        self._forked = True
        await fork_outlines(scope, found.outlines, self._thread, dialect)

    def _may_fork(self, scope: Scope) -> bool:
        return scope.forks_left > self._unreadable

    def _closing(self, text: str, *, also_think: bool = False) -> str:
        """Return what closes an open block, or else the reasoning; both where `also_think` is set."""
        dialect = self._dialect
        closing = ""
        if is_open(text, dialect, "block" if dialect.block else "conclusion"):
            closing = ("" if text.endswith("\n") else "\n") + close_block(dialect)
            self._scope.repaired("unclosed_block", "closed where the model did not")
            if not also_think:
                return closing
        elif not also_think:
            self._scope.repaired("unclosed_think", "reasoning closed where the model ended the sequence")
        self._answering = True
        think = close_think(dialect) if dialect.reasons_in_think else ""
        return closing + (think.removeprefix("\n") if (text + closing).endswith("\n") else think)

    async def _decode(
        self, scope: Scope, rules: StopRules, place: Place, *, begun: bool = False, task: str = ""
    ) -> tuple[Completion, TagWatch]:
        """Let the model go on; `begun`: after text of the client, where no grammar fits.

        Nor does one fit in an answer: it would begin anew in the middle of a text.
        """
        held = self._grammar_for is not None and not begun and not self._answering
        phase: Phase = "answer" if self._answering or not self._dialect.reasons_in_think else "reasoning"
        watch = TagWatch(
            self._dialect,
            rules,
            self._stop,
            phase,
            forks=scope.mode == "parallel",
        )
        said = await scope.extend(
            prompt=self._prompt,
            phase=phase,
            stop=watch,
            grammar=self._grammar_for(place) if held and self._grammar_for is not None else None,
            task=task,
        )
        return said, watch


async def fork_outlines(
    scope: Scope,
    outlines: Sequence[Outline],
    work: Callable[[Scope, Outline], Awaitable[object]],
    dialect: Dialect,
) -> list[Scope]:
    """Work out outlines at once and join them in a dialect's markup; those over the limit are left out."""
    limit = scope.max_threads
    joining = Stitching(
        seed=partial(thread_prefix, dialect),
        joined=partial(joined_spans, dialect),
        leading=partial(joined_spans, dialect, to_last_thread=True),
    )
    if len(outlines) > limit:
        done = f"{len(outlines)} outlines, the first {limit} were worked out"
        scope.repaired("threads_over_limit", done, fork=scope.forks + 1)
    return await scope.fork(outlines[:limit], work, label=_label, join=joining, phase="plan")


def _label(outline: Outline) -> tuple[str, str]:
    return outline.label, outline.text
