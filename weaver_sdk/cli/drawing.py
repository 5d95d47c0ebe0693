"""A drawing: finished lines for the terminal, each a list of styled pieces. Rich prints it as it is.

Rich's own layouts measure and wrap everything anew at each frame. The live view draws up to 15 times a second
and knows its widths, so it hands over lines that are already cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment

from weaver_sdk.cli.cells import cut

Line = list[Segment]
"""One line of a drawing: pieces of text with their styles, without a newline."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines for the terminal, none wider than the width they were drawn for."""

    lines: list[Line]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for line in self.lines:
            yield from line
            yield Segment.line()

    def plain(self) -> str:
        """Return the lines as text without styles."""
        return "\n".join(line_text(line) for line in self.lines)


def line_text(line: Line) -> str:
    """Return a line as text without styles."""
    return "".join(piece.text for piece in line).rstrip()


def line_width(line: Line) -> int:
    """Return the width of a line in cells."""
    return sum(cell_len(piece.text) for piece in line)


def cut_line(line: Iterable[Segment], width: int) -> Line:
    """Return the line cut to at most `width` cells."""
    kept: Line = []
    left = width
    for piece in line:
        size = cell_len(piece.text)
        if size > left:
            if left > 0:
                kept.append(Segment(cut(piece.text, left), piece.style))
            break
        if piece.text:
            kept.append(piece)
        left -= size
    return kept


def spread(left: Iterable[Segment], right: Iterable[Segment], width: int) -> Line:
    """Return one line with a left and a right end; without the right end where both do not fit."""
    left, right = list(left), list(right)
    free = width - line_width(left) - line_width(right)
    if free < 2:
        return cut_line(left, width)
    return [*left, Segment(" " * free), *right]


def fitting(parts: Iterable[str], room: int) -> str:
    """Return as many parts as fit, with dots between them; a number is left out, never cut."""
    text = ""
    for part in parts:
        longer = f"{text} · {part}" if text else part
        if cell_len(longer) > room:
            break
        text = longer
    return text


def beside(blocks: list[list[Line]], widths: list[int], gap: int = 1) -> list[Line]:
    """Return blocks of lines side by side, each padded to its width, but no space at the end of a line."""
    lines: list[Line] = []
    for row in range(max((len(block) for block in blocks), default=0)):
        line: Line = []
        missing = 0  # cells to fill before the next piece
        for block, width in zip(blocks, widths, strict=True):
            piece = cut_line(block[row], width) if row < len(block) else []
            if piece and missing:
                line.append(Segment(" " * missing))
                missing = 0
            line.extend(piece)
            missing += width - line_width(piece) + gap
        lines.append(line)
    return lines
