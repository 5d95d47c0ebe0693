"""What all scopes of one run share, and the one way in which they ask a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weaver_sdk.backends.base import CompletionRequest, Prompt, SharedPrefix, Span, TokenLogprob
from weaver_sdk.backends.drift import drift_tokens
from weaver_sdk.errors import BackendError, ConfigurationError
from weaver_sdk.events import (
    Event,
    PlanReady,
    RequestFinished,
    RequestStarted,
    SegmentDelta,
    ThreadDelta,
    ThreadStarted,
)
from weaver_sdk.options import Sampling
from weaver_sdk.result import Phase
from weaver_sdk.runtime.completion import End, Reader, decode
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.runtime.ledger import Ledger
from weaver_sdk.runtime.lines import LiveSegment, LiveThread, Spans, text_of
from weaver_sdk.runtime.recorder import Recorder
from weaver_sdk.runtime.watch import Piece, Watch

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One completion that a scope asks for."""

    prompt: Prompt
    watch: Watch
    phase: Phase
    before: Spans | None = None
    """What the completion goes on from, up to the line's own text; `None` for a question of its own."""
    keep: bool = True
    model: str = "main"
    max_tokens: int | None = None
    sampling: Sampling | None = None
    grammar: str | None = None
    schema: Mapping[str, object] | None = None
    task: str = ""
    logprobs: int = 0


@dataclass(frozen=True)
class Asked:
    """A completion that has come to its end."""

    segment: LiveSegment
    end: End
    logprobs: tuple[TokenLogprob, ...] = ()


class RunState:
    """One run on its way.

    Args:
        config: what the run was given.
        listeners: called with every event, in this order.
    """

    def __init__(self, config: RunConfig, listeners: Sequence[Callable[[Event], None]]) -> None:
        self.config = config
        self.main = LiveThread()
        self.ledger = Ledger(config.budget, self.main)
        self.recorder = Recorder(config.run_id, listeners)
        self.forks = 0
        self.ended: list[Scope] = []
        self.main_end: End | None = None
        """How the last completion of the main line ended."""
        self.loop_began = 0.0

    def model(self, name: str) -> Model:
        """Return one of the run's models.

        Raises:
            ConfigurationError: it has none of that name.
        """
        try:
            return self.config.models[name]
        except KeyError:
            known = ", ".join(map(repr, self.config.models))
            raise ConfigurationError(f"no model {name!r} in this run: use one of {known}") from None

    async def complete(self, line: LiveThread, asking: Asking, share: Callable[[str], Any] | None) -> Asked:
        """Ask for one completion, and write it down as a segment of a line while it streams.

        Args:
            line: whose next segment it is.
            asking: what is asked.
            share: awaited with the whole input text; returns what the siblings of a fork have in common.

        Raises:
            BackendError: the completion could not be had; what had arrived stands in the line.
        """
        config, recorder = self.config, self.recorder
        model = self.model(asking.model)
        segment = self._segment(line, asking)
        context: Spans = () if asking.before is None else (*asking.before, *line.spans())
        deadline, allowance = self.ledger.deadline, self.ledger.allowance(line)
        if asking.max_tokens is not None:
            allowance = asking.max_tokens if allowance is None else min(allowance, asking.max_tokens)
        if deadline is not None and recorder.now() >= deadline:
            return Asked(segment, End("seconds"))
        if allowance == 0:
            return Asked(segment, End("tokens"))
        if segment not in line.parts:
            line.parts.append(segment)
        first = not any(other.asked for other in line.segments())
        segment.asked = True
        reader = Reader(
            segment,
            asking.watch,
            ends_are_named=model.backend.capabilities.reports_matched_stop,
            ledger=self.ledger,
            allowance=allowance,
            on_text=lambda piece: self._heard(line, segment, piece),
            on_reasoning=lambda text: self._reasoned(line, text),
            on_retry=lambda retry: recorder.retried(retry, line.place),
            now=recorder.now,
        )

        number = 0

        def sent() -> None:
            nonlocal number
            segment.started = recorder.now()
            recorder.sent(asking.model)
            number = recorder.requests
            if first:
                self.thread_started(line)
            self._emit_at(line, RequestStarted, request=number, model=asking.model, phase=segment.phase)

        prefix = text_of(context)
        shared: SharedPrefix | None = None if share is None else await share(asking.prompt.text + prefix)
        request = CompletionRequest(
            prompt=asking.prompt,
            prefix=prefix,
            spans=context if config.prefix == "tokens" else None,
            stop=asking.watch.stops,
            max_tokens=allowance,
            sampling=asking.sampling or config.sampling,
            grammar=asking.grammar,
            json_schema=asking.schema,
            task=asking.task,
            routing_key=config.key_for_routers,
            shared=shared,
            logprobs=asking.logprobs,
            where=line.where(config.run_id),
        )
        try:
            end = await decode(
                model.backend,
                request,
                reader,
                deadline=None if deadline is None else self.loop_began + deadline,
                on_sent=sent,
            )
            segment.outcome = end.outcome
            segment.ids = reader.ids_of_text(end, config.stop_tokens)
        except BackendError as error:
            segment.outcome = "error"
            error.add_note(f"in {request.where}")
            raise
        finally:
            segment.ended = recorder.now()
            if not reader.sent:
                segment.started = segment.ended  # it waited for a permit and was never sent
            recorder.used(reader.usage, asking.model)
            if number:
                recorder.emit(
                    RequestFinished,
                    request=number,
                    outcome=segment.outcome,
                    tokens=segment.tokens,
                    prompt_tokens=segment.prompt_tokens,
                    cached_prompt_tokens=segment.cached_prompt_tokens,
                )
            if line.place is None and reader.prompt_ids:
                whole = (Span(asking.prompt.text), *context)
                recorder.drift_tokens = drift_tokens(whole, reader.prompt_ids)
        return Asked(segment, end, tuple(reader.logprobs))

    def write(self, line: LiveThread, phase: Phase, text: str) -> None:
        """Add text of the client to a line: to its last segment, or as a new one after a fork."""
        last = line.parts[-1] if line.parts else None
        if not isinstance(last, LiveSegment) or not last.kept:
            now = self.recorder.now()
            last = LiveSegment(started=now, ended=now, outcome="done")
            line.parts.append(last)
        if last.asked:
            last.tail += text
        else:
            last.lead += text
        last.phase = phase
        self.say(line, phase, text)

    def say(
        self, line: LiveThread, phase: Phase, text: str, *, reasoning: str = "", kept: bool = True
    ) -> None:
        """Note new text of a line, and let it out as an event."""
        if phase == "answer" and kept and text:
            line.answer.append(text)
        if line.place is None:
            self.recorder.emit(SegmentDelta, text=text, phase=phase, kept=kept, reasoning=reasoning)
        else:
            self.emit_in(line, ThreadDelta, text=text, phase=phase, kept=kept, reasoning=reasoning)

    def thread_started(self, line: LiveThread) -> None:
        """Note that a thread is at work."""
        if line.place is not None:
            line.started = self.recorder.now()
            self.emit_in(line, ThreadStarted)

    def emit_in(self, line: LiveThread, event: Callable[..., Event], **fields: object) -> None:
        """Let an event of a thread out; the main line has none of its own."""
        if line.place is not None:
            self.recorder.emit(event, fork=line.place[0], thread=line.place[1], **fields)

    def plan_ready(self, line: LiveThread, text: str) -> None:
        """Note that a model has answered how the work is to be divided."""
        self._emit_at(line, PlanReady, text=text)

    def _emit_at(self, line: LiveThread, event: Callable[..., Event], **fields: object) -> None:
        """Let an event out that tells its place, if it has one."""
        fork, thread = line.place if line.place is not None else (None, None)
        self.recorder.emit(event, fork=fork, thread=thread, **fields)

    def _segment(self, line: LiveThread, asking: Asking) -> LiveSegment:
        """Return the segment for a completion: a new one, or that of the client's text in front of it."""
        last = line.parts[-1] if line.parts else None
        if isinstance(last, LiveSegment) and last.kept and not last.asked and asking.keep:
            last.outcome = "cancelled"
            segment = last
        else:
            segment = LiveSegment(started=self.recorder.now(), kept=asking.keep)
        segment.phase, segment.model = asking.phase, asking.model
        return segment

    def _heard(self, line: LiveThread, segment: LiveSegment, piece: Piece) -> None:
        self.recorder.wrote()
        segment.phase, text = piece
        segment.written.append(text)
        self.say(line, segment.phase, text, kept=segment.kept)

    def _reasoned(self, line: LiveThread, text: str) -> None:
        self.recorder.wrote()
        self.say(line, "reasoning", "", reasoning=text)
