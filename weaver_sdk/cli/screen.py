"""The one place that moves the cursor: a region at the bottom that is redrawn, a scrollback that only grows.

The region is never higher than the screen. Lines that did not change are not written again. After a resize
the terminal has broken the old lines anew, so the rows to go back over are counted at the new width.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import ControlType, Segment

from weaver_sdk.cli.consoles import is_screen
from weaver_sdk.cli.drawing import Drawing, Line, line_width

_ASCII = str.maketrans("▌◆◇▸›○●✓✗↻█▏▎▍▋▊▉░│·…×−→", "|*o>>o*+x@#:::###.|-~x->")


class Screen:
    """A terminal, or a file that looks like none: then nothing is ever drawn twice."""

    def __init__(self, console: Console, *, live: bool | None = None) -> None:
        """Args: live: whether to redraw; found out from the console where it is not given."""
        self.console = console
        self.live = live if live is not None else is_screen(console) and not console.is_dumb_terminal
        self._lines: list[Line] = []
        self._width = 0
        self._ascii = not console.encoding.lower().startswith("utf")

    @property
    def width(self) -> int:
        """Columns to draw in: one less than there are, since a full line makes some terminals wrap."""
        return max(1, self.console.width - 1) if self.console.is_terminal else self.console.width

    @property
    def height(self) -> int:
        """Lines of the region at most."""
        return max(1, self.console.height - 1)

    def show(self, drawing: Drawing) -> None:
        """Draw the region; nothing is written where nothing changed."""
        if not self.live:
            return
        lines = [self._encodable(line) for line in drawing.lines[: self.height]]
        same_width = self._width == self.console.width
        if lines == self._lines and same_width:
            return
        out = _Output()
        out.control(self._back())
        for row, line in enumerate(lines):
            last = row == len(lines) - 1
            known = same_width and row < len(self._lines) and self._lines[row] == line
            if not known or last:  # what the user typed may stand on the last line
                out.pieces += line
                out.control("\x1b[K")
            out.control("\x1b[J\r" if last else "\r\n")
        if not self._lines:
            out.control("\x1b[?25l")
        self._lines, self._width = lines, self.console.width
        self._write(out)

    def print(self, *renderables: RenderableType) -> None:
        """Print above the region, for good. The region is drawn again by the next `show`."""
        self.clear()
        for renderable in renderables:
            if isinstance(renderable, Drawing):
                renderable = Drawing([self._encodable(line) for line in renderable.lines])
            self.console.print(renderable, highlight=False, markup=False, emoji=False)

    def clear(self) -> None:
        """Take the region away and give the cursor back."""
        if self._lines:
            out = _Output()
            rows = self._rows_above_last()
            # line by line: some terminals move a screen that is erased whole into their scrollback
            out.control(self._back() + "\x1b[2K\r\n" * rows + "\x1b[2K" + self._back() + "\x1b[?25h")
            self._lines = []
            self._write(out)

    def _back(self) -> str:
        """The way from the last row of the old region to its first."""
        rows = self._rows_above_last()
        return "\r" + (f"\x1b[{rows}A" if rows else "")

    def _rows_above_last(self) -> int:
        """The rows that the old region takes above its last line, broken at today's width."""
        width = self.console.width
        return sum(max(1, -(-line_width(line) // width)) for line in self._lines[:-1])

    def _encodable(self, line: Line) -> Line:
        if not self._ascii:
            return line
        return [Segment(piece.text.translate(_ASCII), piece.style) for piece in line]

    def _write(self, out: _Output) -> None:
        # no cropping and no wrapping by Rich: the lines are cut, and control codes have no width
        self.console.print(out, end="", crop=False, soft_wrap=True)


class _Output:
    def __init__(self) -> None:
        self.pieces: list[Segment] = []

    def control(self, codes: str) -> None:
        self.pieces.append(Segment(codes, None, [(ControlType.CARRIAGE_RETURN,)]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        yield from self.pieces


@contextmanager
def quiet_keys(console: Console) -> Iterator[None]:
    """Keep the terminal from echoing keys into the region; Ctrl-C works on, keys typed are read later."""
    if sys.platform == "win32" or not is_screen(console):
        yield
        return
    import termios

    try:
        number = console.file.fileno()
        before, silent = termios.tcgetattr(number), termios.tcgetattr(number)
    except (OSError, termios.error):  # it was called a terminal, and is none
        yield
        return
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
