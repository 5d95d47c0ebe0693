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

_CLOSING = re.compile(r"\W*(?:in |the )?(?:conclusion|summary|overall|short|end|comparison)\b", re.I)
_NEXT_ONE = re.compile(
    r"\W*(?:(?:e-?mail|letter|story|text|product|job|lesson|table)\s*#?\d|subject\b)", re.I
)
"""Headings that begin another text without naming what it is about."""
_SHORT_LINE = 8
"""From this level on a line is a heading only if it names something."""


@dataclass
class Said:
    """What is said about one thing."""

    texts: list[str] = field(default_factory=list)
    """Sentences about it alone, and other lines."""
    words: float = 0.0
    """A sentence about two things counts half for each."""


def said_about(answer: str, things: Sequence[Named]) -> dict[str, Said]:
    """Return what an answer says about each thing, by its name."""
    reading = _Reading(things)
    for line in lines_of(answer):
        reading.read(line)
    return reading.said


class _Reading:
    """What the text is about at one place of the answer, and what was said up to there."""

    def __init__(self, things: Sequence[Named]) -> None:
        self.said = {thing.name: Said() for thing in things}
        self._things = things
        self._about: Named | None = None
        self._level = (
            0  # of the heading that says so; 0 for a sentence, after which the next may say otherwise
        )
        self._unnamed: list[str] | None = (
            None  # after a break, what came before a name: a letter names it late
        )
        self._columns: list[list[Named]] | None = None  # of the table we are in

    def read(self, line: Line) -> None:
        """Take the next line."""
        if line.kind == "row":
            self._row(line)
            return
        self._columns = None
        if line.kind == "rule":
            self._turn(None, unnamed=[])
        elif line.kind == "code":
            self._credit(line.text, [self._about])
        elif line.kind != "fence":
            content = f"{line.title} {line.text}" if self._is_content(line) else line.text
            for sentence in filter(None, re.split(r"(?<=[.!?])\s+", content.strip())):
                self._sentence(sentence)

    def _turn(self, about: Named | None, *, level: int = 0, unnamed: list[str] | None = None) -> None:
        self._about, self._level, self._unnamed = about, level, unnamed

    def _is_content(self, line: Line) -> bool:
        """Turn to what a title says; return whether the title itself is content."""
        if not line.title:
            if _CLOSING.match(line.text):
                self._turn(None)
            return False
        named = self._named_in(line.title)
        outer = not self._level or line.level <= self._level
        if len(named) == 1 and (outer or line.level < _SHORT_LINE):
            self._turn(named[0], level=line.level)
            return False
        if line.level >= _SHORT_LINE:
            return True
        if outer and _NEXT_ONE.match(line.title):
            self._turn(None, unnamed=[])
        elif len(named) > 1 or (outer and _CLOSING.match(line.title)):
            self._turn(None)
        elif outer:  # a heading beside that of a thing may belong to it, or be the title of another
            self._turn(None if line.level < self._level else self._about, unnamed=self._unnamed)
        return bool(line.text)

    def _sentence(self, sentence: str) -> None:
        named = [] if self._level else self._named_in(sentence)
        if len(named) == 1:
            for before in self._unnamed or ():
                self._credit(before, [*named])
            self._turn(named[0])
        elif named:
            self._turn(None)
        elif self._about is None and self._unnamed is not None:
            self._unnamed.append(sentence)
        self._credit(sentence, [*named] or [self._about])

    def _row(self, row: Line) -> None:
        if self._columns is None:
            self._columns = [self._named_in(cell) for cell in row.cells]
            if not self._level and len(of_table := self._named_in(row.text)) == 1:
                self._turn(of_table[0])
        elif row.text and not self._level and len(of_row := self._named_in(row.title)) == 1:
            self._credit(" ".join(row.cells[1:]), [*of_row])
        else:
            for cell, of_column in zip(row.cells, self._columns, strict=False):
                own = of_column[0] if len(of_column) == 1 and not self._level else self._about
                self._credit(cell, [own])

    def _named_in(self, text: str) -> list[Named]:
        return named_in(text, self._things)

    def _credit(self, text: str, about: Sequence[Named | None]) -> None:
        for named in about:
            if named is not None and text.strip():
                self.said[named.name].words += words(text) / len(about)
                if len(about) == 1:
                    self.said[named.name].texts.append(text)


def named_in(text: str, things: Iterable[Named]) -> list[Named]:
    """Return the things that a text names."""
    return [thing for thing in things if re.search(thing.sign or re.escape(thing.name), text, re.IGNORECASE)]
