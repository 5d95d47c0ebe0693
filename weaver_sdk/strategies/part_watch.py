"""Reads the text of one part: leaves out a heading that it has already, and ends it at a good place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from weaver_sdk.result import Phase
from weaver_sdk.runtime.watch import Piece, StopFound

CHARACTERS_PER_WORD = 6.5

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"\s*(#{1,6}\s|\*|_)")
_MARKS = re.compile(r"^[\s#*_]*(?:\d+[.):]\s*)?|[#*_`:]+")
_SENTENCE_ENDS = ".!?…"
_FULL_STOPS = "。！？"


class PartWatch:
    """Reads a part as it streams, and hands its text on.

    A part that runs on ends with its paragraph at one and a half times the words that it was asked for, with
    its sentence at two and a half times. Code is never cut. A heading of another part ends it too.

    Args:
        title: of the part.
        others: the titles of the other parts.
        words: that it was asked for.
        hear: takes its text.
        phase: what the text is for.
    """

    stops: tuple[str, ...] = ()

    def __init__(
        self,
        title: str,
        others: Collection[str],
        words: int,
        hear: Callable[[str], None],
        phase: Phase = "answer",
    ) -> None:
        self.ended: StopFound | None = None
        self._in_code = False
        self._title = plain(title)
        self._others = {plain(other) for other in others}
        self._paragraph_from = 1.5 * words * CHARACTERS_PER_WORD
        self._sentence_from = 2.5 * words * CHARACTERS_PER_WORD
        self._hear = hear
        self._phase: Phase = phase
        self._held = ""
        self._line = ""
        self._last = ""
        """The last character that is no white space."""
        self._length = 0

    @property
    def in_code(self) -> bool:
        """Whether a code block is open."""
        return self._in_code != bool(_FENCE.match(self._line))

    def feed(self, text: str) -> Iterable[Piece]:
        """Take new text; return what of it is settled."""
        if not self._line or self._held or "\n" in text or self._length + len(text) >= self._sentence_from:
            self._held += text
            text = self._settled()
        elif text:
            self._note(text)
        return self._pieces(text)

    def close(self) -> Iterable[Piece]:
        """Return what might have become a heading."""
        held, self._held = self._held, ""
        if self.ended is not None or self._is_heading(held):
            return ()
        return self._pieces(held)

    def stopped(self, matched: str | None, *, sure: bool) -> StopFound | None:
        """Return `None`: the text goes on to its end."""
        return None

    def _pieces(self, text: str) -> Iterable[Piece]:
        if not text:
            return ()
        self._hear(text)
        return ((self._phase, text),)

    def _settled(self) -> str:
        """Take from what is held all that is known to belong to the part."""
        taken: list[str] = []
        while self._held and self.ended is None:
            if not self._line:
                line, newline, rest = self._held.partition("\n")
                if not newline and self._may_be_heading(line):
                    break
                if newline and self._is_heading(line):
                    self._held = rest
                    if plain(line) != self._title:
                        self.ended = StopFound("")
                    continue
            taken.append(self._take_line())
        return "".join(taken)

    def _take_line(self) -> str:
        """Take up to the end of a line, or of the part."""
        line, newline, rest = self._held.partition("\n")
        end = self._end_in(line + newline)
        if end is not None:
            self.ended, self._held = StopFound(""), ""
            return line[:end]
        self._held = rest
        self._note(line)
        if newline:
            self._in_code = self.in_code
            self._line = ""
            self._length += 1
        return line + newline

    def _end_in(self, text: str) -> int | None:
        """Return where the part may end in a piece of a line."""
        if self._in_code or _FENCE.match(self._line + text):
            return None
        last, blank = self._last, not self._line.strip()
        for at, character in enumerate(text):
            length = self._length + at
            if character == "\n" and length >= self._paragraph_from and last != ":":
                if length >= self._sentence_from or (blank and not text[:at].strip()):
                    return at
            elif character.isspace() and length >= self._sentence_from and last in _SENTENCE_ENDS:
                return at
            elif character in _FULL_STOPS and length >= self._sentence_from:
                return at + 1
            last = character if not character.isspace() else last
        return None

    def _note(self, text: str) -> None:
        self._line += text
        self._length += len(text)
        self._last = text.rstrip()[-1:] or self._last

    def _may_be_heading(self, line: str) -> bool:
        """Return whether an unfinished line may become a heading that is to be left out."""
        words = plain(line)
        if self._length == 0 and self._title.startswith(words):
            return True
        return bool(_HEADING.match(line + " ")) and any(other.startswith(words) for other in self._others)

    def _is_heading(self, line: str) -> bool:
        """Return whether a line is the title of this part at its start, or of another one."""
        words = plain(line)
        if words == self._title:
            return self._length == 0
        return words in self._others and bool(_HEADING.match(line))


def plain(title: str) -> str:
    """Return the words of a title, without its marks and number."""
    return " ".join(_MARKS.sub("", title.strip()).split()).casefold()
