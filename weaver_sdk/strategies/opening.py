"""The sentence with which models open an answer, before its first part: "Sure, here are three texts:"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable

from weaver_sdk.runtime.watch import Piece, StopFound

_OPENS = re.compile(
    r"(?:sure|certainly|of course|absolutely|here(?: are| is|['’]s)|below"
    r"|gerne|natürlich|hier (?:sind|ist)|bien sûr|voici|claro|por supuesto|aquí)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…:](?=\s)|[。！？：]")
_KNOWN_FROM = 12
"""Characters that are needed to know an opening by its first words."""
_LONGEST = 300
"""Characters after which an opening ends with its sentence, if its line goes on."""


class OpeningWatch:
    """Finds the opening of an answer: a first line that greets the question, or ends with a colon.

    Args:
        show: called with the length of the opening as far as it is known to be one.
    """

    stops: tuple[str, ...] = ()
    ended: StopFound | None = None

    def __init__(self, show: Callable[[int], None]) -> None:
        self.over = asyncio.Event()
        """Set once it is known whether there is an opening, and it has ended."""
        self._show = show
        self._line = ""
        self._is_shown = False

    def feed(self, text: str) -> Iterable[Piece]:
        """Take new text; all of it is passed on."""
        yield "answer", text  # the text is written down before it is shown
        if self.over.is_set():
            return
        line, newline, _ = (self._line + text).partition("\n")
        ends = _SENTENCE_END.search(line, _LONGEST)
        self._line = line = line if ends is None else line[: ends.end()]
        greets = len(line) >= _KNOWN_FROM and _OPENS.match(line) is not None
        if greets or (newline and ends is None and line.rstrip().endswith((":", "："))):
            self._is_shown = True
            self._show(len(line))
        if newline or ends is not None:
            self.over.set()

    def close(self) -> Iterable[Piece]:
        """Note that no more text comes."""
        self.over.set()
        return ()

    def stopped(self, matched: str | None, *, sure: bool) -> StopFound | None:
        """Return `None`: the text goes on to its end."""
        return None

    async def ends(self) -> None:
        """Wait for the end of an opening that is shown already."""
        if self._is_shown:
            await self.over.wait()
