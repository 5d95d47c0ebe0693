"""What happens in a run, one event at a time. Frozen data; every event dumps to one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from weaver_sdk.options import Mode
from weaver_sdk.result import Outcome, Phase, Repair, Result


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted:
    """The run begins."""

    kind: Literal["run_started"] = "run_started"
    run_id: str
    at: float
    """Seconds since the run began, on a monotonic clock; the same in every event."""
    problem: str
    model: str
    mode: Mode
    answer_is_text: bool = False
    """Whether the text of phase "answer" is the answer; else it is read out of the text at the end, as from
    a `\\boxed{…}`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanReady:
    """A model has written a plan of how to divide the work."""

    kind: Literal["plan_ready"] = "plan_ready"
    run_id: str
    at: float
    text: str
    """The plan, as the model wrote it."""
    fork: int | None = None
    thread: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestStarted:
    """A completion request was sent."""

    kind: Literal["request_started"] = "request_started"
    run_id: str
    at: float
    request: int
    """Its number in the run, counted from 1."""
    model: str
    """Which of the run's models it goes to."""
    phase: Phase
    """What its text is for, at first."""
    fork: int | None = None
    thread: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFinished:
    """A completion ended, successfully or not."""

    kind: Literal["request_finished"] = "request_finished"
    run_id: str
    at: float
    request: int
    outcome: Outcome
    tokens: int
    """Tokens that the model wrote."""
    prompt_tokens: int | None = None
    """Input tokens; `None` if not reported."""
    cached_prompt_tokens: int | None = None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentDelta:
    """New text outside threads."""

    kind: Literal["segment_delta"] = "segment_delta"
    run_id: str
    at: float
    text: str
    phase: Phase = "answer"
    """What the text is for; "plan" includes markup and outlines."""
    kept: bool = True
    """Whether the text belongs to the trajectory; otherwise it answers a side question."""
    reasoning: str = ""
    """Set, without text, for a chat server's separate reasoning field. Not part of the trajectory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForkOpened:
    """The outlines are read; their threads are about to start."""

    kind: Literal["fork_opened"] = "fork_opened"
    run_id: str
    at: float
    fork: int
    """The block's number in the run, counted from 1."""
    outlines: tuple[str, ...]
    labels: tuple[str, ...]
    """The threads' numbers in the text, in outline order."""
    parent: tuple[int, int] | None = None
    """The (fork, thread) that opened a nested block."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadStarted:
    """A thread's request was sent."""

    kind: Literal["thread_started"] = "thread_started"
    run_id: str
    at: float
    fork: int
    thread: int
    """The thread's place in its block, counted from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadDelta:
    """New text inside a thread."""

    kind: Literal["thread_delta"] = "thread_delta"
    run_id: str
    at: float
    fork: int
    thread: int
    text: str
    phase: Phase = "reasoning"
    """What the text is for."""
    kept: bool = True
    """Whether the text belongs to the thread; otherwise it answers a side question."""
    reasoning: str = ""
    """Set, without text, for a chat server's separate reasoning field. Not part of the trajectory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadFinished:
    """A thread ended, successfully or not."""

    kind: Literal["thread_finished"] = "thread_finished"
    run_id: str
    at: float
    fork: int
    thread: int
    outcome: Outcome
    tokens: int
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """A block's threads were joined into the context."""

    kind: Literal["joined"] = "joined"
    run_id: str
    at: float
    fork: int
    text: str
    """The exact text that was appended. Kept segment deltas and joins, in order, are the trajectory."""
    phase: Phase = "answer"
    """What the text is for."""
    parent: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """A fault in the model's text was repaired."""

    kind: Literal["repaired"] = "repaired"
    run_id: str
    at: float
    repair: Repair


@dataclass(frozen=True, kw_only=True, slots=True)
class Retried:
    """A request failed and is sent again."""

    kind: Literal["retried"] = "retried"
    run_id: str
    at: float
    attempt: int
    """The number of the next attempt: 2 for the first retry."""
    delay: float
    """Seconds until it is sent."""
    reason: str
    fork: int | None = None
    thread: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFinished:
    """The run is over; the last event of every run that was not abandoned."""

    kind: Literal["run_finished"] = "run_finished"
    run_id: str
    at: float
    result: Result


Event = (
    RunStarted
    | PlanReady
    | RequestStarted
    | RequestFinished
    | SegmentDelta
    | ForkOpened
    | ThreadStarted
    | ThreadDelta
    | ThreadFinished
    | Joined
    | Repaired
    | Retried
    | RunFinished
)
"""Any event; `kind` says which."""


@cache
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def dump_event(event: Event) -> str:
    """Return an event as one line of JSON."""
    return _adapter().dump_json(event).decode()


def load_event(line: str) -> Event:
    """Read an event from one line of JSON.

    Raises:
        pydantic.ValidationError: the line is not an event.
    """
    return _adapter().validate_json(line)
