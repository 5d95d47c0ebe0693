"""Reads one JSON object out of a text as it streams, whatever stands around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from weaver_sdk.runtime.watch import Piece, StopFound


class ObjectWatch:
    """Hands on the first JSON object of a text and ends the text with it; a text without one is kept whole.

    Args:
        hear: takes the object, piece by piece.
    """

    stops: tuple[str, ...] = ()

    def __init__(self, hear: Callable[[str], None]) -> None:
        self.ended: StopFound | None = None
        self._hear = hear
        self._before = ""
        """What came before the object."""
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> Iterable[Piece]:
        """Take new text; return what of it belongs to the object."""
        if not self._depth:
            before, brace, rest = text.partition("{")
            self._before += before
            if not brace:
                return ()
            text = brace + rest
        for at, character in enumerate(text):
            self._step(character)
            if not self._depth:
                self.ended = StopFound("")
                return self._pieces(text[: at + 1])
        return self._pieces(text)

    def close(self) -> Iterable[Piece]:
        """Return the text in which there was no object."""
        return () if self._depth or self.ended is not None else self._pieces(self._before)

    def stopped(self, matched: str | None, *, sure: bool) -> StopFound | None:
        """Return `None`: the text goes on to its end."""
        return None

    def _step(self, character: str) -> None:
        if self._in_string:
            self._in_string = self._escaped or character != '"'
            self._escaped = character == "\\" and not self._escaped
        elif character == '"':
            self._in_string = True
        else:
            self._depth += {"{": 1, "}": -1}.get(character, 0)

    def _pieces(self, text: str) -> Iterable[Piece]:
        if not text:
            return ()
        self._hear(text)
        return (("answer", text),)
