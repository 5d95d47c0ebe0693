"""Boxes: the `\\boxed{…}` in which a model puts a result."""

from __future__ import annotations

import re

_PIECE = re.compile(r"(?P<box>\\{1,2}boxed\s*\{)|(?P<escaped>\\[\s\S])|(?P<open>\{)|(?P<close>\})")
"""`\\\\boxed{` is read too: text that was escaped twice. `\\{` and `\\}` are no braces."""


def last_box(text: str) -> str | None:
    """Return the content of the last balanced `\\boxed{…}`, without white space around it.

    Empty boxes are passed over: they are the instruction, repeated. Of boxes inside one another, the one that
    begins last is taken. `\\fbox` and `\\boxed 5` are not read. `None` is no box with content.
    """
    found = (text[start:end].strip() for start, end in reversed(_boxes(text)))
    return next((content for content in found if content), None)


def has_box(text: str) -> bool:
    """Tell whether the text holds a balanced `\\boxed{…}`, be it empty."""
    return bool(_boxes(text))


def _boxes(text: str) -> list[tuple[int, int]]:
    """Return where the content of each balanced box lies, in the order in which the boxes begin."""
    boxes: list[tuple[int, int]] = []
    if "boxed" not in text:
        return boxes
    open_braces: list[int | None] = []  # for a box: where its content begins
    for piece in _PIECE.finditer(text):
        match piece.lastgroup:
            case "box":
                open_braces.append(piece.end())
            case "open":
                open_braces.append(None)
            case "close" if open_braces:
                start = open_braces.pop()
                if start is not None:
                    boxes.append((start, piece.start()))
    return sorted(boxes)
