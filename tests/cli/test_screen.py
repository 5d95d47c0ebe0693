"""The region at the bottom of a terminal, on a terminal of twenty lines of code."""

import io
import re

from rich.console import Console
from rich.segment import Segment

from weaver_sdk.cli.drawing import Drawing
from weaver_sdk.cli.screen import Screen

_CODE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


class Terminal:
    """Keeps what a terminal would show: just the codes that `Screen` uses; anything else fails."""

    def __init__(self) -> None:
        self.rows = [""]
        self.row = self.column = 0
        self.cursor_shown = True

    def take(self, written: str) -> None:
        for match in _CODE.finditer(written):
            text, (argument, code) = match.group(), (match[1], match[2])
            if text == "\r":
                self.column = 0
            elif text == "\n":
                self.row += 1
                self.column = 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif code is None:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + text + line[self.column + len(text) :]
                self.column += len(text)
            elif code == "A":
                self.row -= int(argument)
                assert self.row >= 0, "the cursor left the screen"
            elif code == "K":
                kept = "" if argument == "2" else self.rows[self.row][: self.column]
                self.rows[self.row] = kept
            elif code == "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 :]
            elif argument == "?25":
                self.cursor_shown = code == "h"
            else:
                assert code == "m", text

    def shown(self) -> list[str]:
        rows = [row.rstrip() for row in self.rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows


class Stage:
    def __init__(self, width: int = 40, height: int = 10, encoding: str = "utf-8") -> None:
        self.file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
        self.console = Console(file=self.file, force_terminal=True, width=width, height=height)
        self.screen = Screen(self.console, live=True)
        self.terminal = Terminal()
        self._read = 0

    def written(self) -> str:
        self.file.flush()
        data = self.file.buffer.getvalue()  # type: ignore[attr-defined]
        fresh, self._read = data[self._read :].decode(), len(data)
        return fresh

    def shown(self) -> list[str]:
        self.terminal.take(self.written())
        return self.terminal.shown()


def lines(*texts: str) -> Drawing:
    return Drawing([[Segment(text)] for text in texts])


def test_a_region_is_drawn_in_place() -> None:
    stage = Stage()
    stage.screen.show(lines("one", "two", "three"))
    assert stage.shown() == ["one", "two", "three"]
    stage.screen.show(lines("one", "2", "three", "four"))
    assert stage.shown() == ["one", "2", "three", "four"]
    stage.screen.show(lines("short"))
    assert stage.shown() == ["short"]
    assert not stage.terminal.cursor_shown


def test_what_is_printed_stands_above_the_region() -> None:
    stage = Stage()
    stage.screen.show(lines("one", "two"))
    stage.screen.print(lines("settled"))
    stage.screen.show(lines("one", "two"))
    assert stage.shown() == ["settled", "one", "two"]


def test_clearing_leaves_the_scrollback_and_gives_the_cursor_back() -> None:
    stage = Stage()
    stage.screen.print(lines("settled"))
    stage.screen.show(lines("one", "two"))
    stage.screen.clear()
    assert stage.shown() == ["settled"]
    assert stage.terminal.cursor_shown
    stage.screen.print(lines("more"))
    assert stage.shown() == ["settled", "more"]


def test_nothing_is_written_where_nothing_changed() -> None:
    stage = Stage()
    stage.screen.show(lines("one", "two"))
    stage.written()
    stage.screen.show(lines("one", "two"))
    assert stage.written() == ""


def test_lines_that_did_not_change_are_not_written_again() -> None:
    stage = Stage()
    stage.screen.show(lines("constant", "1", "end"))
    stage.written()
    stage.screen.show(lines("constant", "2", "end"))
    assert "constant" not in stage.written()


def test_the_region_is_never_higher_than_the_screen() -> None:
    stage = Stage(height=5)
    stage.screen.show(lines(*map(str, range(20))))
    assert len(stage.shown()) == 4


def test_after_a_resize_the_rows_that_the_terminal_made_are_gone_over() -> None:
    stage = Stage(width=40)
    stage.screen.show(lines("x" * 30, "y" * 30, "end"))
    stage.shown()
    stage.terminal.rows = [
        "x" * 20,
        "x" * 10,
        "y" * 20,
        "y" * 10,
        "end",
    ]  # what a narrower terminal makes of it
    stage.terminal.row = 4
    stage.console.width = 20
    stage.screen.show(lines("a", "b"))
    assert stage.shown() == ["a", "b"]


def test_a_file_gets_what_is_settled_and_no_codes() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=40))
    screen.show(lines("moving"))
    screen.print(lines("settled [bold]x[/bold]"))
    screen.clear()
    assert out.getvalue() == "settled [bold]x[/bold]\n"


def test_a_terminal_without_unicode_gets_other_signs() -> None:
    stage = Stage(encoding="ascii")
    stage.screen.show(lines("▌✓ done · 3 ●", "end"))
    assert stage.shown() == ["|+ done - 3 *", "end"]
