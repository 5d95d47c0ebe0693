"""What a run writes down while it goes: lines of pieces and blocks, complete at every moment.

A *line* is text that grows at its end: the main line of a run, or a thread. It is made of *pieces* (one
completion each) and *blocks* (lines that ran side by side, then were joined). A run that is stopped anywhere
can be told from its lines, so nothing that was done is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from weaver_sdk.backends.base import Span
from weaver_sdk.markup import Dialect, Outline, around_threads, end_thread, join_threads
from weaver_sdk.result import Fork, Outcome, Segment, Thread, TokensFrom, Trace
from weaver_sdk.telemetry.measures import known_sum

Spans = tuple[Span, ...]
"""Text in stretches."""


def text_of(spans: Iterable[Span]) -> str:
    """Return what stretches of text are together."""
    return "".join(span.text for span in spans)


@dataclass
class Piece:
    """One completion as far as it has come."""

    lead: str = ""
    """What the client wrote before it."""
    written: list[str] = field(default_factory=list)
    """What the model wrote."""
    tail: str = ""
    """What the client put behind it: the tag that ended it, which servers keep back."""
    ids: tuple[int, ...] | None = None
    """The tokens of `written`; `None` where they are not known for sure."""
    reasoning: list[str] = field(default_factory=list)
    """What came in a field of its own, beside the text."""
    tokens: int = 0
    tokens_from: TokensFrom = "chunks"
    started: float = 0.0
    ended: float = 0.0
    outcome: Outcome = "cancelled"
    """Stays `cancelled` until the completion has ended in another way."""
    first_token: float | None = None
    """When the first token came; seconds since the run began, as all times here."""
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None

    @property
    def text(self) -> str:
        """The text as it stands in the trajectory, a closing tag that ended it included."""
        return "".join((self.lead, *self.written, self.tail))

    def spans(self) -> Iterator[Span]:
        """Yield the same in stretches."""
        yield Span(self.lead)
        yield Span("".join(self.written), self.ids)
        yield Span(self.tail)


@dataclass
class Block:
    """Lines that run side by side."""

    fork: int
    lines: list[Line]
    started: float
    ended: float = 0.0
    joined: str | None = None

    def text(self, dialect: Dialect) -> str:
        """Return what the block adds to the line it stands in, as far as it has come."""
        if self.joined is not None:
            return self.joined
        return join_threads(dialect, [(line.outline, line.closed_text(dialect)) for line in self.lines])

    def spans(self, dialect: Dialect, leading: int | None = None) -> Iterator[Span]:
        """Yield the same in stretches; `leading`: so many threads alone, to the closing tag of the last."""
        lines = self.lines[:leading]
        first, *behind = around_threads(dialect, [line.outline for line in lines])
        if leading is not None:
            behind[-1] = dialect.thread[1]
        yield Span(first)
        for line, text in zip(lines, behind, strict=True):
            yield from line.spans(dialect)
            closing = line.closed_text(dialect).removeprefix(line.text(dialect))
            yield Span(closing + text)


@dataclass
class Line:
    """The main line of a run, or one thread."""

    outline: Outline = field(default_factory=lambda: Outline("", ""))
    place: tuple[int, int] | None = None
    """(fork, thread), counted from 1; `None` for the main line."""
    depth: int = 0
    """How many blocks it lies in."""
    parts: list[Piece | Block] = field(default_factory=list)
    outcome: Outcome = "cancelled"
    error: str | None = None

    def text(self, dialect: Dialect) -> str:
        """Return the text of the line as far as it has come."""
        return "".join(part.text if isinstance(part, Piece) else part.text(dialect) for part in self.parts)

    def spans(self, dialect: Dialect) -> Iterator[Span]:
        """Yield the same in stretches, each with its tokens where they are known."""
        for part in self.parts:
            yield from part.spans() if isinstance(part, Piece) else part.spans(dialect)

    def closed_text(self, dialect: Dialect) -> str:
        """Return the text as it is joined: one that was cut ends as its closing tag wants it."""
        text = self.text(dialect)
        return text if self.outcome == "done" else end_thread(dialect, text)

    def where(self, run_id: str) -> str:
        """Return which line of a run this is, in words."""
        if self.place is None:
            return f"run {run_id}, main line"
        return f"run {run_id}, fork {self.place[0]}, thread {self.place[1]}"

    def task(self, dialect: Dialect) -> str:
        """Say what a thread has to write; the main line just goes on."""
        if self.place is None:
            return ""
        about = f" ({self.outline.text})" if self.outline.text else ""
        return f"Write only part {self.outline.label}{about}, and close it with {dialect.thread[1]}."

    def pieces(self) -> Iterator[Piece]:
        """Yield every completion of the line, those of nested threads included."""
        for part in self.parts:
            if isinstance(part, Piece):
                yield part
            else:
                for line in part.lines:
                    yield from line.pieces()

    def tokens(self) -> int:
        """Return all tokens of the line, nested threads included."""
        return sum(piece.tokens for piece in self.pieces())

    def critical_tokens(self) -> int:
        """Return the line's tokens on its longest path: of each block only the longest thread counts."""
        return sum(
            part.tokens
            if isinstance(part, Piece)
            else max((line.critical_tokens() for line in part.lines), default=0)
            for part in self.parts
        )


def freeze(line: Line, dialect: Dialect) -> Trace:
    """Return a line as the plain data of a result."""
    return [_segment(part) if isinstance(part, Piece) else _fork(part, dialect) for part in line.parts]


def _segment(piece: Piece) -> Segment:
    return Segment(
        text=piece.text,
        reasoning="".join(piece.reasoning),
        tokens=piece.tokens,
        started=piece.started,
        ended=piece.ended,
        outcome=piece.outcome,
        first_token=piece.first_token,
        prompt_tokens=piece.prompt_tokens,
        cached_prompt_tokens=piece.cached_prompt_tokens,
    )


def _fork(block: Block, dialect: Dialect) -> Fork:
    return Fork(
        fork=block.fork,
        threads=[_thread(line, dialect) for line in block.lines],
        started=block.started,
        ended=block.ended,
        joined=block.text(dialect),
    )


def _thread(line: Line, dialect: Dialect) -> Thread:
    pieces = [part for part in line.parts if isinstance(part, Piece)]
    nested = any(isinstance(part, Block) for part in line.parts)
    return Thread(
        label=line.outline.label,
        outline=line.outline.text,
        text=line.text(dialect),
        reasoning="".join(part for piece in pieces for part in piece.reasoning),
        tokens=line.tokens(),
        started=pieces[0].started if pieces else 0.0,
        ended=pieces[-1].ended if pieces else 0.0,
        outcome=line.outcome,
        error=line.error,
        first_token=pieces[0].first_token if pieces else None,
        prompt_tokens=known_sum(piece.prompt_tokens for piece in pieces),
        cached_prompt_tokens=known_sum(piece.cached_prompt_tokens for piece in pieces),
        trace=freeze(line, dialect) if nested else [],
    )
