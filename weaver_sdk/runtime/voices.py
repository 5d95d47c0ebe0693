"""What the main line of a run says, as plain text: its answer and its reasoning, while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from weaver_sdk.events import Event
from weaver_sdk.result import final_text

Spoken = Literal["reasoning", "answer"]
"""The phases of a text that somebody reads; the third, the plan, is markup and notes."""


class Voice:
    """The text of one phase as far as it has come. Any number of readers read it, each from its beginning.

    White space in front of the first word is left out, and so are replies to side questions.
    """

    def __init__(self, phase: Spoken) -> None:
        self.phase: Spoken = phase
        self.pieces: list[str] = []
        self.ended = False
        self._news: asyncio.Event | None = None  # made by whoever waits: most pieces find nobody waiting

    def hear(self, event: Event) -> None:
        """Take what an event says in this phase."""
        match event.kind:
            case "segment_delta" if event.kept and event.phase == self.phase:
                self._say(event.text or event.reasoning)
            case "joined" if event.parent is None and event.phase == self.phase:
                self._say(event.text)
            case "run_finished" if self.phase == "answer" and not self.pieces:
                if event.result.finish not in ("error", "cancelled"):
                    self._say(final_text(event.result))  # it was found in the reasoning
            case _:
                pass

    def end(self) -> None:
        """Note that nothing more will come."""
        self.ended = True
        self._wake()

    async def changed(self) -> None:
        """Wait until there is more, or the end."""
        if self._news is None:
            self._news = asyncio.Event()
        await self._news.wait()

    def _say(self, text: str) -> None:
        if text := text if self.pieces else text.lstrip():
            self.pieces.append(text)
            self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None


class VoiceReader(AsyncIterator[str]):
    """Yields the pieces of a voice as they come.

    Args:
        voice: what is read.
        at_end: awaited once all is read; what it raises comes out of the loop.
    """

    def __init__(self, voice: Voice, at_end: Callable[[], Awaitable[object]]) -> None:
        self._voice = voice
        self._at_end = at_end
        self._place = 0

    async def __anext__(self) -> str:
        voice = self._voice
        while self._place == len(voice.pieces):
            if voice.ended:
                await self._at_end()
                raise StopAsyncIteration
            await voice.changed()
        self._place += 1
        return voice.pieces[self._place - 1]
