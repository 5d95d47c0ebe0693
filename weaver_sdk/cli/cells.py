"""Text for a terminal: made harmless, measured in cells, cut and wrapped to a width.

What a model writes is data. An escape sequence in it would move the cursor, a bidirectional override would
turn the line around, a lone surrogate could not be written at all: `safe` leaves none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells, set_cell_size

_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # controls, C0 and C1; the newline stays
    "\u00ad\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"  # invisible, or turn the line
    "\ud800-\udfff]"  # surrogates
)
_BREAKS = "\r\x0b\x0c\x85\u2028\u2029"


def _shown(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\t":
        return "    "
    if char in _BREAKS:
        return "\n"
    if char < "\x20":
        return chr(0x2400 + ord(char))  # the control pictures: ␛ for an escape
    return "␡" if char == "\x7f" else "\ufffd"


def safe(text: str) -> str:
    """Return the text with everything that a terminal would obey made visible; only newlines stay."""
    text = text.replace("\r\n", "\n")
    return text if _UNSAFE.search(text) is None else _UNSAFE.sub(_shown, text)


def one_line(text: str) -> str:
    """Return the text made safe, with every stretch of white space as one space."""
    return " ".join(safe(text).split())


def cut(text: str, width: int) -> str:
    """Return the line cut to at most `width` cells; an ellipsis says that something is missing."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…"


def cut_head(text: str, width: int) -> str:
    """Return the end of the line, at most `width` cells of it, with an ellipsis for what is missing."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    tail = text[-(width - 1) :] if width > 1 else ""
    while cell_len(tail) >= width:
        tail = tail[1:]
    return "…" + tail


def wrap(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a safe text, broken at spaces where possible, each at most `width` cells wide."""
    width = max(1, width)
    for line in text.split("\n"):
        yield from _wrap_line(line.rstrip(), width)


def last_lines(text: str, width: int, count: int) -> list[str]:
    """Return the last `count` wrapped lines of a text, without blank ones."""
    lines: list[str] = []
    for line in reversed(text.rstrip().split("\n")):
        if len(lines) >= count:
            break
        if line and not line.isspace():
            if line[0] == " " and line[1:2] != " ":
                line = line[1:]  # the space of a token; an indent is more than one
            lines = [*_wrap_line(line.rstrip(), max(1, width)), *lines]
    return lines[-count:] if count > 0 else []


def _wrap_line(line: str, width: int) -> Iterator[str]:
    while True:
        head = _head(line, width)
        if len(head) == len(line):
            yield cut(line, width)
            return
        space = head.rfind(" ") if line[len(head)] != " " else len(head)
        # a break far to the left wastes the line: then the word is cut instead
        end = space if space * 4 > len(head) else len(head)
        yield cut(line[:end].rstrip(), width)
        line = line[end:].lstrip()


def _head(line: str, width: int) -> str:
    """Return the longest start of the line that fits, and never nothing."""
    if line.isascii():
        return line[:width]
    if len(line) * 2 <= width:
        return line
    # 8 code points a cell are more than any script needs, and keep a long line from being measured whole
    pieces = chop_cells(line[: width * 8], width)
    head = next((piece for piece in pieces if piece), line[:1])
    return head if cell_len(head) <= width else line[:1]
