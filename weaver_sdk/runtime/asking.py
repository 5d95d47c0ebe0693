"""The one way in which a run asks a model: a request is made, its stream is written down, limits hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from weaver_sdk.backends.base import CompletionRequest, Grammar, Prompt, SharedPrefix, Span
from weaver_sdk.backends.drift import drift_tokens
from weaver_sdk.errors import BackendError, ConfigurationError
from weaver_sdk.events import RequestFinished, RequestStarted
from weaver_sdk.options import Sampling
from weaver_sdk.result import Phase
from weaver_sdk.runtime.budget_spent import BudgetSpent
from weaver_sdk.runtime.completion import Completion, End
from weaver_sdk.runtime.lines import LiveSegment, LiveThread, Spans, text_of
from weaver_sdk.runtime.reader import Reader, decode
from weaver_sdk.runtime.state import RunState
from weaver_sdk.runtime.watch import Piece, Watch

Share = Callable[[str], Awaitable[SharedPrefix | None]]
"""From all of a request's input to what it has in common with its siblings."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One completion that a scope asks for.

    Raises:
        ConfigurationError: `max_tokens` is less than 1.
    """

    prompt: Prompt
    watch: Watch
    phase: Phase
    before: Spans | None = None
    """What the completion goes on from, up to the line's own text; `None` for a question of its own."""
    keep: bool = True
    model: str = "main"
    max_tokens: int | None = None
    sampling: Sampling | None = None
    grammar: Grammar | None = None
    schema: Mapping[str, object] | None = None
    task: str = ""
    logprobs: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ConfigurationError(f"max_tokens={self.max_tokens}: use 1 or more")


async def complete(
    state: RunState,
    line: LiveThread,
    asking: Asking,
    share: Share | None = None,
    segment: LiveSegment | None = None,
) -> Completion:
    """Ask for one completion, and write it down as a segment of a line while it streams.

    Args:
        state: the run.
        line: whose next segment it is.
        asking: what is asked.
        share: finds what the siblings of a fork have in common.
        segment: the one to write into, where there is one already.

    Raises:
        BackendError: the completion could not be had; what had arrived stands in the line.
        BudgetSpent: nothing may be spent any more; on the main line also where the budget cut the text.
    """
    allowed, deadline = state.ledger.allowance(line), state.ledger.deadline
    if deadline is not None and state.recorder.now() >= deadline:
        raise BudgetSpent("seconds")
    if allowed == 0:
        raise BudgetSpent("tokens")
    segment = segment or _segment_for(state, line, asking)
    context: Spans = () if asking.before is None else (*asking.before, *line.spans())
    limits = [limit for limit in (allowed, asking.max_tokens) if limit is not None]
    reader = Reader(
        segment,
        asking.watch,
        ends_are_named=state.model(asking.model).backend.capabilities.reports_matched_stop,
        ledger=state.ledger,
        allowance=min(limits, default=None),
        on_text=lambda piece: _heard(state, line, segment, piece),
        on_reasoning=lambda text: _reasoned(state, line, segment, text),
        on_retry=lambda retry: state.recorder.retried(retry, line.place),
        now=state.recorder.now,
    )
    if segment not in line.parts:
        line.parts.append(segment)
    end = await _streamed(state, line, asking, segment, reader, context, share)
    cut_by = _cut_by(state, end, asking, allowed)
    if line.place is None:
        state.main_end = end
        if cut_by == "budget":
            raise BudgetSpent("seconds" if end.by == "seconds" else "tokens")
    if end.by == "eos" and asking.before is None:
        segment.outcome = "done"  # the answer to a question ends where the model ends it
    text = "".join(segment.written)
    if asking.phase == "plan" and asking.before is None:
        state.plan_ready(line, text)
    return Completion(
        text=text,
        outcome=segment.outcome,
        tokens=segment.tokens,
        cut_by=cut_by,
        reasoning="".join(segment.reasoning),
        stopped_at=end.mark,
        model=asking.model,
        logprobs=tuple(reader.logprobs),
    )


def _cut_by(
    state: RunState, end: End, asking: Asking, allowed: int | None
) -> Literal["call", "budget", "server"] | None:
    """Return whose limit cut a text, if one did."""
    if end.by == "length":
        return "server"
    if end.by not in ("tokens", "seconds"):
        return None
    by_call = asking.max_tokens is not None and (allowed is None or asking.max_tokens < allowed)
    return "call" if end.by == "tokens" and by_call and not state.ledger.exhausted() else "budget"


async def _streamed(
    state: RunState,
    line: LiveThread,
    asking: Asking,
    segment: LiveSegment,
    reader: Reader,
    context: Spans,
    share: Share | None,
) -> End:
    """Send the request and read its stream to its end."""
    config, recorder, ledger = state.config, state.recorder, state.ledger
    first = not any(other.asked for other in line.segments())
    number = 0

    def sent() -> None:
        nonlocal number
        segment.started = recorder.now()
        recorder.sent(asking.model)
        number = recorder.requests
        if first:
            state.thread_started(line)
        state.emit_at(line, RequestStarted, request=number, model=asking.model, phase=segment.phase)

    segment.asked = True
    prefix = text_of(context)
    if line.place is None and asking.before is not None:
        state.prompt = asking.prompt.text
    request = CompletionRequest(
        prompt=asking.prompt,
        prefix=prefix,
        spans=context if config.prefix == "tokens" and asking.model == "main" else None,
        stop=asking.watch.stops,
        max_tokens=reader.allowance,
        sampling=asking.sampling or config.sampling,
        grammar=asking.grammar,
        json_schema=asking.schema,
        task=asking.task,
        routing_key=config.key_for_routers,
        shared=None if share is None else await share(asking.prompt.text + prefix),
        logprobs=asking.logprobs,
        where=line.where(config.run_id),
    )
    deadline = None if ledger.deadline is None else state.loop_began + ledger.deadline
    try:
        end = await decode(
            state.model(asking.model).backend, request, reader, deadline=deadline, on_sent=sent
        )
        segment.outcome = end.outcome
        if asking.model == "main":  # another model's tokens mean nothing to this one
            segment.ids = reader.ids_of_text(end, config.stop_tokens)
    except BackendError as error:
        if not recorder.raised_by_listener(error):
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
    return end


def _segment_for(state: RunState, line: LiveThread, asking: Asking) -> LiveSegment:
    """Return the segment for a completion: a new one, or that of the client's text in front of it."""
    last = line.parts[-1] if line.parts else None
    if isinstance(last, LiveSegment) and last.kept and not last.asked and asking.keep:
        last.outcome = "cancelled"
        segment = last
    else:
        now = state.recorder.now()
        segment = LiveSegment(started=now, ended=now, kept=asking.keep)
    segment.phase, segment.model = asking.phase, asking.model
    return segment


def _heard(state: RunState, line: LiveThread, segment: LiveSegment, piece: Piece) -> None:
    state.recorder.wrote()
    segment.phase, text = piece
    segment.written.append(text)
    state.say(line, segment.phase, text, kept=segment.kept)


def _reasoned(state: RunState, line: LiveThread, segment: LiveSegment, text: str) -> None:
    state.recorder.wrote()
    phase: Phase = "plan" if segment.phase == "plan" and not segment.kept else "reasoning"
    state.say(line, phase, "", reasoning=text, kept=segment.kept)
