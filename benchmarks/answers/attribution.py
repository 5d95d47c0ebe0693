"""What an answer says about each of several named things, however it is laid out.

A section whose heading names one of them is about it. Elsewhere a sentence is about those it names, in equal
shares, and one that names none goes on about the last. Cells of a table are about their row, or their column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.answers.layout import Line, lines_of, words
from benchmarks.answers.question import Named

_CLOSING = re.compile(
    r"\b(?:conclusion|summary|overall|in short|in the end|comparison|recommendation)\b", re.I
)
_NUMBERED = re.compile(r"\W*(?:[a-z-]+\s*)?#?\d+\b|\W*subject\b", re.I)
_SHORT_LINE = 8


@dataclass
class Said:
    """What is said about one thing."""

    texts: list[str] = field(default_factory=list)
    words: float = 0.0
    """A sentence about two things counts half for each."""


@dataclass
class _About:
    """What the text is about at one place of the answer."""

    named: Named | None = None
    level: int = 0
    """Of the heading that says so; 0 if it was a sentence, so that the next one may say otherwise."""


def said_about(answer: str, things: Sequence[Named]) -> dict[str, Said]:
    """Return what an answer says about each thing, by its name."""
    said = {thing.name: Said() for thing in things}
    about = _About()
    columns: list[list[Named]] | None = None  # of the table we are in
    for line in lines_of(answer):
        if line.kind != "row":
            columns = None
        if line.kind == "rule":
            about = _About()
        elif line.kind == "row":
            if columns is None:
                columns = [named_in(cell, things) for cell in line.cells]
            elif line.text:
                _read_row(line, columns, about, things, said)
        elif line.kind == "code":
            _credit(line.text, [about.named], said)
        elif line.kind != "fence":
            title = _turn(line, about, things)
            for sentence in re.split(r"(?<=[.!?])\s+", f"{title} {line.text}".strip()):
                _credit(sentence, _named_by(sentence, about, things), said)
    return said


def named_in(text: str, things: Iterable[Named]) -> list[Named]:
    """Return the things that a text names."""
    return [thing for thing in things if re.search(thing.sign or re.escape(thing.name), text, re.IGNORECASE)]


def _turn(line: Line, about: _About, things: Sequence[Named]) -> str:
    """Note what the text is about from a heading on; return the title if it is content, else ""."""
    named = named_in(line.title, things)
    if not line.title:
        if line.level == 0 and _CLOSING.match(line.text):
            about.named, about.level = None, 0
        return ""
    outer = not about.level or line.level <= about.level
    if len(named) == 1 and (outer or line.level < _SHORT_LINE):
        about.named, about.level = named[0], line.level
        return ""
    if line.level >= _SHORT_LINE:
        return line.title  # an item or a short line that names none, or stands inside a section
    if _CLOSING.search(line.title) or _NUMBERED.match(line.title) or len(named) > 1:
        about.named, about.level = None, 0
    elif outer:
        about.named, about.level = (None if line.level < about.level else about.named), 0
    return line.title if line.text else ""


def _named_by(sentence: str, about: _About, things: Sequence[Named]) -> list[Named | None]:
    """Return what a sentence is about, and note it."""
    if not about.level and (named := named_in(sentence, things)):
        about.named = named[0] if len(named) == 1 else None
        return [*named]
    return [about.named]


def _read_row(
    line: Line, columns: list[list[Named]], about: _About, things: Sequence[Named], said: dict[str, Said]
) -> None:
    if about.level:
        _credit(line.text, [about.named], said)
    elif len(of_row := named_in(line.title, things)) == 1:
        _credit(" ".join(line.cells[1:]), [*of_row], said)
    else:
        for cell, of_column in zip(line.cells, columns, strict=False):
            _credit(cell, [*(of_column if len(of_column) == 1 else [about.named])], said)


def _credit(text: str, about: Sequence[Named | None], said: dict[str, Said]) -> None:
    for named in about:
        if named is not None and text.strip():
            said[named.name].texts.append(text)
            said[named.name].words += words(text) / len(about)
