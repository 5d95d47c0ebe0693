"""What a run writes down while it goes: threads of segments and forks, complete at every moment.

A *thread* is text that grows at its end; the main line of a run is one too. It is made of *segments* (one
completion each, or text of the client) and *forks* (threads that ran side by side). A run that is stopped
anywhere can be read from its main line, so nothing that was done is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from weaver_sdk.backends.base import Span
from weaver_sdk.result import Fork, Outcome, Phase, Segment, Thread, TokensFrom, Trace
from weaver_sdk.telemetry.measures import known_sum, longest_path

Spans = tuple[Span, ...]
"""Text in stretches."""


def text_of(spans: Iterable[Span]) -> str:
    """Return what stretches of text are together."""
    return "".join(span.text for span in spans)


@dataclass
class LiveSegment:
    """One completion as far as it has come, with the client's own text around it."""

    lead: str = ""
    """What the client wrote before it."""
    written: list[str] = field(default_factory=list)
    """What the model wrote."""
    tail: str = ""
    """What the client wrote after it."""
    ids: tuple[int, ...] | None = None
    """The tokens of `written`; `None` where they are not known for sure."""
    reasoning: list[str] = field(default_factory=list)
    """What came in a field of its own, beside the text."""
    phase: Phase = "answer"
    kept: bool = True
    """Whether its text belongs to the thread; else it is in the trace alone."""
    model: str = "main"
    asked: bool = False
    """Whether a completion was asked for; text of the client alone otherwise."""
    tokens: int = 0
    tokens_from: TokensFrom = "chunks"
    started: float = 0.0
    ended: float = 0.0
    outcome: Outcome = "cancelled"
    """Stays `cancelled` until the completion has ended in another way."""
    waited_after: int | None = 0
    """How many parts of the line ran beside it until it was waited for; `None` while it was not."""
    first_token: float | None = None
    """When the first token came; seconds since the run began, as all times here."""
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None

    @property
    def text(self) -> str:
        """The text as it stands in the trajectory, a closing tag that ended it included."""
        return "".join((self.lead, *self.written, self.tail))

    def spans(self) -> Iterator[Span]:
        """Yield what the thread holds of it, in stretches."""
        if self.kept:
            yield Span(self.lead)
            yield Span("".join(self.written), self.ids)
            yield Span(self.tail)


@dataclass
class LiveFork:
    """Threads that run side by side."""

    number: int
    threads: list[LiveThread]
    render: Callable[[], Iterable[Span]]
    """What the threads add to the line they stand in, as far as they have come."""
    started: float
    ended: float = 0.0
    joined: Spans | None = None
    waited_after: int | None = 0
    """How many parts of the line ran before it was waited for; `None` while a spawned one still is not."""

    def spans(self) -> Spans:
        """Return what the fork adds to the line it stands in."""
        return tuple(self.render()) if self.joined is None else self.joined


@dataclass
class LiveThread:
    """The main line of a run, or one thread."""

    number: str = ""
    """What it carries in the text, as in `<Thread>\\n2:`."""
    label: str = ""
    """What it works on, in words."""
    place: tuple[int, int] | None = None
    """(fork, thread), counted from 1; `None` for the main line."""
    depth: int = 0
    """How many forks it lies in."""
    parts: list[LiveSegment | LiveFork] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    """Its text of the phase "answer"."""
    started: float = 0.0
    ended: float = 0.0
    outcome: Outcome = "cancelled"
    error: str | None = None

    @property
    def text(self) -> str:
        """The text of the thread as far as it has come."""
        return text_of(self.spans())

    def spans(self) -> Iterator[Span]:
        """Yield the same in stretches, each with its tokens where they are known."""
        for part in self.parts:
            yield from part.spans()

    def where(self, run_id: str) -> str:
        """Return which line of a run this is, in words."""
        if self.place is None:
            return f"run {run_id}, main line"
        return f"run {run_id}, fork {self.place[0]}, thread {self.place[1]}"

    def segments(self) -> Iterator[LiveSegment]:
        """Yield every segment of the thread, those of nested threads included."""
        for part in self.parts:
            if isinstance(part, LiveSegment):
                yield part
            else:
                for thread in part.threads:
                    yield from thread.segments()

    def tokens(self) -> int:
        """Return all tokens of the thread, nested threads included."""
        return sum(segment.tokens for segment in self.segments())

    def critical_tokens(self) -> int:
        """Return the thread's tokens on its longest path: of each fork only the longest thread counts."""
        return int(longest_path(map(critical_part, self.parts)))


def critical_part(part: LiveSegment | LiveFork) -> tuple[int, int | None]:
    """Return a part as `longest_path` takes it: its tokens, and after how many parts it was waited for."""
    if isinstance(part, LiveSegment):
        return part.tokens, part.waited_after
    return max((thread.critical_tokens() for thread in part.threads), default=0), part.waited_after


def freeze(thread: LiveThread) -> Trace:
    """Return a thread as the plain data of a result."""
    last = len(thread.parts) - 1
    return [
        _segment(part, last - index) if isinstance(part, LiveSegment) else _fork(part, last - index)
        for index, part in enumerate(thread.parts)
    ]


def _segment(segment: LiveSegment, later: int) -> Segment:
    return Segment(
        text=segment.text,
        reasoning="".join(segment.reasoning),
        phase=segment.phase,
        kept=segment.kept,
        model=segment.model,
        tokens=segment.tokens,
        started=segment.started,
        ended=max(segment.started, segment.ended),  # it may still run
        outcome=segment.outcome,
        first_token=segment.first_token,
        prompt_tokens=segment.prompt_tokens,
        cached_prompt_tokens=segment.cached_prompt_tokens,
        waited_after=later if segment.waited_after is None else segment.waited_after,
    )


def _fork(fork: LiveFork, later: int) -> Fork:
    return Fork(
        fork=fork.number,
        threads=[_thread(thread) for thread in fork.threads],
        started=fork.started,
        ended=max(fork.started, fork.ended),
        joined=text_of(fork.spans()),
        waited_after=later if fork.waited_after is None else fork.waited_after,
    )


def _thread(thread: LiveThread) -> Thread:
    segments = [part for part in thread.parts if isinstance(part, LiveSegment)]
    asked = [segment for segment in segments if segment.asked]
    started = asked[0].started if asked else thread.started
    plain = len(thread.parts) == len(segments) <= 1 and all(segment.kept for segment in segments)
    return Thread(
        label=thread.number,
        outline=thread.label,
        text=thread.text,
        reasoning="".join(part for segment in segments for part in segment.reasoning),
        tokens=thread.tokens(),
        started=started,
        ended=max(started, asked[-1].ended if asked else thread.ended),
        outcome=thread.outcome,
        error=thread.error,
        first_token=asked[0].first_token if asked else None,
        prompt_tokens=known_sum(segment.prompt_tokens for segment in segments),
        cached_prompt_tokens=known_sum(segment.cached_prompt_tokens for segment in segments),
        trace=[] if plain else freeze(thread),
    )
