"""Boxes: the `\\boxed{…}` in which a model puts a result."""

from __future__ import annotations

import re

_PIECE = re.compile(r"(?P<box>\\{1,2}boxed\s*\{)|(?P<escaped>\\[\s\S])|(?P<open>\{)|(?P<close>\})")
"""`\\\\boxed{` is read too: text that was escaped twice. `\\{` and `\\}` are not braces."""


def last_box(text: str) -> str | None:
    """Return the content of the last balanced `\\boxed{…}`, stripped; `None` if no box has content.

    Empty boxes are skipped: they repeat the instruction. Of nested boxes, the one that begins last is taken.
    `\\fbox` and `\\boxed 5` are not read.
    """
    found = (text[start:end].strip() for start, end in reversed(_boxes(text)))
    return next((content for content in found if content), None)


def has_box(text: str) -> bool:
    """Whether the text holds a balanced `\\boxed{…}`, even an empty one."""
    return bool(_boxes(text))


def _boxes(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each balanced box's content, in the order in which the boxes begin."""
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
