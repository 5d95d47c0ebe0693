"""The answer in a pipe: every piece goes on at once, and the picture on stderr keeps out of its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from weaver_sdk.events import Event
from weaver_sdk.runtime.voices import Voice


class PipedAnswer:
    """Writes the answer of a run to a pipe or a file while it is written, where its text is the answer.

    It is the same text, byte for byte, as if it were printed at the end: without white space around it, and
    with a newline after it.

    Args:
        out: where it goes; flushed at every piece.
        on_first: called before the first piece.
    """

    def __init__(self, out: IO[str], on_first: Callable[[], None] | None = None) -> None:
        self.begun = False
        """Whether anything has been written."""
        self._out = out
        self._on_first = on_first
        self._voice = Voice("answer")
        self._read = 0
        self._held = ""  # white space that may be the end
        self._is_text = False

    def take(self, event: Event) -> None:
        """Write what an event says of the answer.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if event.kind == "run_started":
            self._is_text = event.answer_is_text
        if event.kind == "run_finished":
            if self.begun:
                self._put("\n")
        elif self._is_text:
            self._voice.hear(event)
            for text in self._voice.pieces[self._read :]:
                self._write(text)
            self._read = len(self._voice.pieces)

    def _write(self, text: str) -> None:
        text = self._held + text
        whole = text.rstrip()
        self._held = text[len(whole) :]
        if not whole:
            return
        if not self.begun:
            self.begun = True
            if self._on_first is not None:
                self._on_first()
        self._put(whole)

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
