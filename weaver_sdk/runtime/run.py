"""The state machine of one run: decode, fork, threads, join, and on to the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache

from weaver_sdk.backends.base import Backend, CompletionRequest, SharedPrefix, Span
from weaver_sdk.backends.drift import drift_tokens
from weaver_sdk.errors import BackendError, IdleTimeout
from weaver_sdk.events import (
    Event,
    ForkOpened,
    Joined,
    RunFinished,
    RunStarted,
    SegmentDelta,
    ThreadDelta,
    ThreadFinished,
    ThreadStarted,
)
from weaver_sdk.markup import (
    close_block,
    close_think,
    read_outlines,
    thread_prefix,
)
from weaver_sdk.markup.prompted import Phase
from weaver_sdk.result import Finish, Result
from weaver_sdk.runtime.completion import End, Reader, decode
from weaver_sdk.runtime.ledger import Ledger
from weaver_sdk.runtime.lines import Block, Line, Piece, Spans, text_of
from weaver_sdk.runtime.outcomes import note_strays, note_thread, piece_outcome, thread_outcome
from weaver_sdk.runtime.plan import Plan
from weaver_sdk.runtime.recorder import Recorder
from weaver_sdk.runtime.rules import (
    FORK,
    THINK_END,
    Rules,
    is_open,
    main_rules,
    plain_rules,
    thread_rules,
)
from weaver_sdk.runtime.summary import summarize
from weaver_sdk.runtime.warming import JoinWarmer

_log = logging.getLogger("weaver_sdk")


class Run:
    """One problem on its way through the machine. `execute()` is called once."""

    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        places: asyncio.Semaphore,
        emit: Callable[[Event], None] | None = None,
    ) -> None:
        self._plan = plan
        self._backend = backend
        self._places = places
        self._main = Line()
        self._ledger = Ledger(plan.budget, self._main)
        self._recorder = Recorder(plan.run_id, emit)
        self._loop_began = 0.0
        self._forks = 0
        self._answering = False  # the reasoning is over
        self._finish: Finish = "cancelled"

    async def execute(self) -> Result:
        """Run to the end and return the result.

        Raises:
            BackendError: the main line could not be decoded; what was done is in its `result`.
        """
        plan = self._plan
        self._loop_began = asyncio.get_running_loop().time()
        self._recorder.emit(RunStarted, problem=plan.problem, model=self._backend.model, mode=plan.mode)
        try:
            self._finish = await self._main_line()
        except BackendError as error:
            self._finish = "error"
            error.result = self.result()
            raise
        finally:
            self._recorder.emit(RunFinished, result=self.result())
        return self.result()

    def result(self) -> Result:
        """Return the run as far as it has come; `finish` is "cancelled" until it has ended."""
        return summarize(self._plan, self._backend.model, self._main, self._recorder, self._finish)

    async def _main_line(self) -> Finish:
        """Decode, fork and join until the model, the server or the budget ends it."""
        line, dialect = self._main, self._plan.dialect
        lead, mended = "", False
        while True:
            may_fork = self._may_fork(line) and not self._answering  # in an answer, tags are text
            rules = main_rules(dialect) if may_fork else plain_rules()
            end, reader = await self._piece(line, (), rules, lead)
            lead = ""
            if self._plan.mode == "parallel" and not self._answering:
                note_strays(self._recorder, reader.passed, may_fork=may_fork)
            self._answering = self._answering or THINK_END in reader.passed
            if end.by in ("tokens", "seconds"):
                return await self._lead_to_answer()
            if end.by == "length":
                return "length"
            if end.key == FORK:
                self._write(line, end.tag.text if end.tag else dialect.outlines[1])
                if not self._answering:
                    await self._fork(line, ())
                continue
            if self._plan.mode == "sequential" or mended:
                return "stop"
            text = line.text(dialect)
            if may_fork and is_open(text, dialect, "outlines") and read_outlines(text, dialect).outlines:
                self._recorder.repaired("unclosed_outlines", "closed where the model ended the sequence")
                self._write(line, dialect.outlines[1])
                await self._fork(line, ())
            elif is_open(text, dialect, "think", before=self._plan.reasoning_begun):
                lead, mended = self._closing(text), True
            else:
                return "stop"

    async def _thread(
        self, line: Line, context: Spans, shared: SharedPrefix | None, warmer: JoinWarmer
    ) -> None:
        """Work out one thread. Whatever goes wrong with it is its outcome, and not an error of the run."""
        dialect = self._plan.dialect
        before = (*context, Span(thread_prefix(dialect, line.outline)))
        try:
            end = await self._thread_text(line, before, shared)
            line.outcome = thread_outcome(end, line.text(dialect))
        except BackendError as error:
            line.outcome = "timeout" if isinstance(error, IdleTimeout) else "error"
            line.error = str(error)
            end = None
        note_thread(self._recorder, line, end, dialect)
        self._emit_in(line, ThreadFinished, outcome=line.outcome, tokens=line.tokens(), error=line.error)
        warmer.ended(line)

    async def _thread_text(self, line: Line, before: Spans, shared: SharedPrefix | None) -> End:
        dialect = self._plan.dialect
        while True:
            may_fork = self._may_fork(line)
            rules = thread_rules(dialect, may_fork=may_fork)
            end, _ = await self._piece(line, before, rules, shared=shared)
            if end.key != FORK:
                return end
            shared = None
            self._write(line, end.tag.text if end.tag else dialect.outlines[1])
            await self._fork(line, before)

    async def _fork(self, parent: Line, before: Spans) -> None:
        """Read the outlines at the end of a line, work out all threads at once, and join them."""
        plan = self._plan
        text = parent.text(plan.dialect)
        found = read_outlines(text, plan.dialect)
        self._forks += 1
        if not found.outlines:
            for repair in found.repairs:
                self._recorder.repaired(repair.kind, repair.done, parent.place)
            return
        if not plan.dialect.exact:
            _warn_inexact(plan.dialect.name)
        number, limit = self._forks, plan.budget.max_threads
        for repair in found.repairs:
            self._recorder.repaired(repair.kind, repair.done, (number, None))
        if len(found.outlines) > limit:
            self._recorder.repaired(
                "threads_over_limit",
                f"{len(found.outlines)} outlines, the first {limit} were worked out",
                (number, None),
            )
        outlines = found.outlines[:limit]
        block = Block(
            fork=number,
            lines=[
                Line(outline=outline, place=(number, place), depth=parent.depth + 1)
                for place, outline in enumerate(outlines, start=1)
            ],
            started=self._recorder.now(),
        )
        context = (*before, *parent.spans(plan.dialect))
        parent.parts.append(block)
        self._recorder.emit(
            ForkOpened,
            fork=number,
            outlines=tuple(outline.text for outline in outlines),
            labels=tuple(outline.label for outline in outlines),
            parent=parent.place,
        )
        shared = self._shared(number, text_of(context), len(outlines))
        warmer = JoinWarmer(block, plan, context, self._backend, self._places, self._recorder)
        async with warmer, asyncio.TaskGroup() as threads:
            for line in block.lines:
                threads.create_task(self._thread(line, context, shared, warmer))
        block.joined = block.text(plan.dialect)
        block.ended = self._recorder.now()
        self._recorder.emit(Joined, fork=number, text=block.joined, parent=parent.place)

    async def _lead_to_answer(self) -> Finish:
        """Close what is open and let the model write its answer within the reserve."""
        plan, line = self._plan, self._main
        if plan.budget.on_exhausted == "stop":
            return "budget"
        self._ledger.open_reserve()
        text = line.text(plan.dialect)
        lead = ""
        if not self._answering:
            lead = self._closing(text, also_think=True)
            self._recorder.repaired(
                "led_to_answer", "the budget was spent: reasoning closed, answer asked for"
            )
        await self._piece(line, (), plain_rules(), lead)
        return "budget"

    def _closing(self, text: str, *, also_think: bool = False) -> str:
        """Return what closes an open block, or else the reasoning; both where `also_think` is set."""
        dialect = self._plan.dialect
        closing = ""
        if is_open(text, dialect, "block" if dialect.block else "conclusion"):
            closing = ("" if text.endswith("\n") else "\n") + close_block(dialect)
            self._recorder.repaired("unclosed_block", "closed where the model did not")
            if not also_think:
                return closing
        elif not also_think:
            self._recorder.repaired("unclosed_think", "reasoning closed where the model ended the sequence")
        self._answering = True
        think = close_think(dialect) if dialect.reasons_in_think else ""
        return closing + (think.removeprefix("\n") if (text + closing).endswith("\n") else think)

    async def _piece(
        self, line: Line, before: Spans, rules: Rules, lead: str = "", shared: SharedPrefix | None = None
    ) -> tuple[End, Reader]:
        """Decode one piece of a line, behind `lead`, text that the client itself adds."""
        plan, recorder = self._plan, self._recorder
        context = (*before, *line.spans(plan.dialect), Span(lead))
        phase: Phase = "thread" if line.place else "resume" if self._forks else "open"
        allowance = self._ledger.allowance(line)
        piece = Piece(started=recorder.now(), lead=lead)
        reader = Reader(
            piece,
            rules,
            dialect=plan.dialect,
            capabilities=self._backend.capabilities,
            ledger=self._ledger,
            allowance=allowance,
            on_text=lambda text: self._heard(line, text),
            on_reasoning=lambda text: self._reasoned(line, text),
            on_retry=lambda retry: recorder.retried(retry, line.place),
            now=recorder.now,
        )
        deadline = self._ledger.deadline
        if deadline is not None and recorder.now() >= deadline:
            return End("seconds"), reader
        if allowance == 0:
            return End("tokens"), reader
        first = not line.parts
        line.parts.append(piece)
        if lead:
            self._tell(line, lead)

        def sent() -> None:
            piece.started = recorder.now()
            recorder.requests += 1
            if first:
                self._emit_in(line, ThreadStarted)

        # Behind a lead or in an answer no grammar fits: it would begin anew in the middle of a text.
        fits = not lead and not self._answering
        grammar = plan.grammar_for(phase) if plan.grammar_for and fits else None
        request = CompletionRequest(
            prompt=plan.prompt,
            prefix=text_of(context),
            spans=context if plan.prefix == "tokens" else None,
            stop=(*rules.stops, *plan.stop),
            max_tokens=allowance,
            sampling=plan.sampling,
            grammar=grammar,
            task=line.task(plan.dialect),
            routing_key=plan.key_for_routers,
            shared=shared,
            where=line.where(plan.run_id),
        )
        try:
            end = await decode(
                self._backend,
                request,
                reader,
                places=self._places,
                deadline=None if deadline is None else self._loop_began + deadline,
                on_sent=sent,
            )
            piece.outcome = piece_outcome(end)
            piece.ids = reader.ids_of_text(end, plan.tag_tokens)
        except BackendError as error:
            piece.outcome = "error"
            error.add_note(f"in {request.where}")
            raise
        finally:
            piece.ended = recorder.now()
            recorder.used(reader.usage)
            if line.place is None and reader.prompt_ids:
                whole = (Span(plan.prompt.text), *context)
                recorder.drift_tokens = drift_tokens(whole, reader.prompt_ids)
        return end, reader

    def _may_fork(self, line: Line) -> bool:
        budget = self._plan.budget
        allowed = line.depth < budget.max_depth and self._forks < budget.max_forks and budget.max_threads > 0
        return allowed and self._plan.mode == "parallel"

    def _shared(self, fork: int, context: str, width: int) -> SharedPrefix | None:
        text = self._plan.prompt.text + context
        return SharedPrefix(key=f"{self._plan.run_id}/{fork}", width=width, text=text) if width > 1 else None

    def _write(self, line: Line, text: str) -> None:
        """Add the client's own text behind the last piece of a line."""
        piece = line.parts[-1]
        assert isinstance(piece, Piece)
        piece.tail += text
        self._tell(line, text)

    def _heard(self, line: Line, text: str) -> None:
        self._recorder.wrote()
        self._tell(line, text)

    def _reasoned(self, line: Line, text: str) -> None:
        self._recorder.wrote()
        self._tell(line, "", reasoning=text)

    def _tell(self, line: Line, text: str, reasoning: str = "") -> None:
        if line.place is None:
            self._recorder.emit(SegmentDelta, text=text, reasoning=reasoning)
        else:
            self._emit_in(line, ThreadDelta, text=text, reasoning=reasoning)

    def _emit_in(self, line: Line, event: Callable[..., Event], **fields: object) -> None:
        if line.place is not None:
            self._recorder.emit(event, fork=line.place[0], thread=line.place[1], **fields)


@cache
def _warn_inexact(dialect: str) -> None:
    """Say once what `Dialect.exact` means for the user."""
    _log.warning(
        "models of dialect %r are trained with threads that do not see each other: joined as text, they come "
        "near to that and no more",
        dialect,
    )
