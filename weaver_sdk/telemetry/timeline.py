"""A past run as lanes over time, built from its events, even if they break off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weaver_sdk.events import Event, SegmentDelta, ThreadDelta
from weaver_sdk.options import Mode
from weaver_sdk.result import Outcome, Result


@dataclass(frozen=True, kw_only=True)
class CompletionSpan:
    """One completion in time. Times are seconds since the run began."""

    started: float
    first: float | None
    """When its first text came; before that, the server was prefilling."""
    ended: float
    tokens: int
    text: str
    outcome: Outcome | None
    """`None` if the events break off before its end."""
    error: str | None = None
    repairs: tuple[str, ...] = ()
    """Its repairs, in words."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


@dataclass(frozen=True, kw_only=True)
class ThreadLane:
    """A thread in its block."""

    thread: int
    label: str
    outline: str
    span: CompletionSpan | None
    """All of it; `None` where its request was never sent."""
    requests: tuple[CompletionSpan, ...] = ()
    """Its completions, in order; a thread may ask several times, and wait for threads of its own."""


@dataclass(frozen=True, kw_only=True)
class BlockLanes:
    """A block with its threads."""

    fork: int
    parent: tuple[int, int] | None
    opened: float
    joined: float
    threads: tuple[ThreadLane, ...]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A run over time."""

    run_id: str
    problem: str
    model: str
    mode: Mode
    seconds: float
    """The time of the last event."""
    main: tuple[CompletionSpan, ...]
    """The completions of the main line."""
    blocks: tuple[BlockLanes, ...]
    retries: tuple[tuple[float, str], ...]
    repairs: tuple[str, ...]
    """The repairs outside threads, in words."""
    result: Result | None
    """`None` if the events break off before the end of the run."""

    @property
    def text(self) -> str:
        """The trajectory, as far as the events go."""
        return self.result.text if self.result is not None else "".join(span.text for span in self.main)

    def spans(self) -> Iterator[CompletionSpan]:
        """Yield every completion."""
        yield from self.main
        for block in self.blocks:
            yield from (lane.span for lane in block.threads if lane.span is not None)


@dataclass
class _OpenSpan:
    started: float
    first: float | None = None
    ended: float = 0.0
    tokens: int = 0
    text: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    error: str | None = None

    def add(self, event: SegmentDelta | ThreadDelta) -> None:
        at = event.at
        if event.kept:
            self.text.append(event.text)
        self.tokens += 1
        self.ended = at
        if self.first is None:
            self.first = at

    def span(self, repairs: Sequence[str] = ()) -> CompletionSpan:
        return CompletionSpan(
            started=self.started,
            first=self.first,
            ended=max(self.ended, self.started),
            tokens=self.tokens,
            text="".join(self.text),
            outcome=self.outcome,
            error=self.error,
            repairs=tuple(repairs),
        )


def build_timeline(events: Sequence[Event]) -> Timeline:
    """Build the timeline of one run.

    Raises:
        ValueError: there are no events.
    """
    if not events:
        raise ValueError("a timeline needs at least one event")
    start, last = events[0], events[-1]
    main = [_OpenSpan(started=0.0)]
    threads: dict[tuple[int, int], _OpenSpan] = {}
    requests: dict[tuple[int, int], list[_OpenSpan]] = {}
    numbered: dict[int, _OpenSpan] = {}
    opened: dict[int, tuple[float, tuple[str, ...], tuple[str, ...], tuple[int, int] | None]] = {}
    joined: dict[int, float] = {}
    repaired: dict[tuple[int | None, int | None], list[str]] = {}
    retries: list[tuple[float, str]] = []
    result: Result | None = None
    for event in events:
        match event.kind:
            case "segment_delta":
                main[-1].add(event)
            case "thread_started":
                threads[event.fork, event.thread] = _OpenSpan(started=event.at, ended=event.at)
            case "thread_delta":
                piece = threads.setdefault((event.fork, event.thread), _OpenSpan(started=event.at))
                piece.add(event)
                if asked := requests.get((event.fork, event.thread)):
                    asked[-1].add(event)
            case "request_started":
                if event.fork is not None and event.thread is not None:
                    asked = requests.setdefault((event.fork, event.thread), [])
                    numbered[event.request] = _OpenSpan(started=event.at, ended=event.at)
                    asked.append(numbered[event.request])
            case "request_finished":
                if found := numbered.get(event.request):
                    found.ended, found.tokens, found.outcome = event.at, event.tokens, event.outcome
            case "thread_finished":
                piece = threads.setdefault((event.fork, event.thread), _OpenSpan(started=event.at))
                piece.ended, piece.tokens = event.at, event.tokens
                piece.outcome, piece.error = event.outcome, event.error
            case "fork_opened":
                opened[event.fork] = (event.at, event.outlines, event.labels, event.parent)
                if event.parent is None:
                    main[-1].ended, main[-1].outcome = event.at, "done"
            case "joined":
                joined[event.fork] = event.at
                if event.parent is None:
                    main.append(_OpenSpan(started=event.at, ended=event.at))
            case "repaired":
                repair = event.repair
                repaired.setdefault((repair.fork, repair.thread), []).append(
                    f"{repair.kind.replace('_', ' ')}: {repair.done}"
                )
            case "retried":
                retries.append((event.at, event.reason))
            case "run_finished":
                result = event.result
            case "run_started" | "plan_ready":
                pass
    for piece in (*threads.values(), *numbered.values()):
        if piece.outcome is None:
            piece.ended = last.at  # the events break off while it runs
    blocks = []
    for fork, (at, outlines, labels, parent) in opened.items():
        lanes = []
        for place, (outline, label) in enumerate(zip(outlines, labels, strict=False), 1):
            whole = threads.get((fork, place))
            span = whole.span(repaired.pop((fork, place), [])) if whole is not None else None
            sent = tuple(piece.span() for piece in requests.get((fork, place), []))
            lanes.append(ThreadLane(thread=place, label=label, outline=outline, span=span, requests=sent))
        end = joined.get(fork, last.at)
        blocks.append(BlockLanes(fork=fork, parent=parent, opened=at, joined=end, threads=tuple(lanes)))
    return Timeline(
        run_id=start.run_id,
        problem=start.problem if start.kind == "run_started" else "",
        model=start.model if start.kind == "run_started" else "",
        mode=start.mode if start.kind == "run_started" else "parallel",
        seconds=last.at,
        main=_main(main, result),
        blocks=tuple(blocks),
        retries=tuple(retries),
        repairs=tuple(text for texts in repaired.values() for text in texts),
        result=result,
    )


def _main(pieces: list[_OpenSpan], result: Result | None) -> tuple[CompletionSpan, ...]:
    """Return the main line's spans; a result has more exact times and tokens than the events."""
    if result is None:
        return tuple(piece.span() for piece in pieces if piece.text)
    return tuple(
        CompletionSpan(
            started=segment.started,
            first=segment.first_token,
            ended=segment.ended,
            tokens=segment.tokens,
            text=segment.text,
            outcome=segment.outcome,
        )
        for segment in result.trace
        if segment.kind == "segment"
    )


def ticks(seconds: float, most: int) -> list[float]:
    """Return round times from 0 to the end of the run: at least 1, at most `most` of them."""
    if seconds <= 0 or most < 2:
        return [0.0]
    step = 10.0**-6
    while True:
        for factor in (1, 2, 5):
            wide = step * factor
            count = int(seconds / wide + 1e-9) + 1
            if count <= most:
                return [wide * place for place in range(count)]
        step *= 10


def time_text(seconds: float) -> str:
    """Return a time on an axis: `0`, `0.2 s`, `15 s`."""
    return "0" if seconds == 0 else f"{seconds:.6g} s"
