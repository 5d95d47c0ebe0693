"""A board: notes that the threads of one fork leave for each other while they work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One text on a board."""

    text: str
    author: str
    """The label of the thread that wrote it."""


class Board:
    """Text that siblings share: append, read, wait for news. Nothing of it enters a line by itself."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._news = asyncio.Condition()

    async def append(self, text: str, author: str = "") -> None:
        """Add a note, and wake everyone who waits for one."""
        async with self._news:
            self._notes.append(Note(text, author))
            self._news.notify_all()

    def read(self, seen: int = 0) -> tuple[Note, ...]:
        """Return all notes, or those after the first `seen`."""
        return tuple(self._notes[seen:])

    async def wait(self, seen: int = 0) -> tuple[Note, ...]:
        """Wait until there are more than `seen` notes; return those after them."""
        async with self._news:
            await self._news.wait_for(lambda: len(self._notes) > seen)
        return self.read(seen)
