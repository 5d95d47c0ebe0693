"""The slots of a llama.cpp server: which text each one holds, and who gets which. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Slot:
    """One place for a completion on the server."""

    number: int
    holds: str = ""
    """The text whose tokens are in its cache, as far as we know. A guess costs time and nothing else."""

    def misses(self, text: str) -> int:
        """Return how many characters of a text are not in the cache yet."""
        return len(text) - common_prefix(self.holds, text)


class SlotPool:
    """Lends each slot to one request at a time, to those who wait in the order in which they came."""

    def __init__(self, slots: int) -> None:
        self._free = [Slot(number) for number in range(slots)]  # the least recently used one first
        self._waiting: deque[asyncio.Future[Slot]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether a slot is free, and nobody waits for it."""
        return bool(self._free)

    @asynccontextmanager
    async def slot_for(self, text: str) -> AsyncGenerator[Slot, None]:
        """Lend the free slot that holds most of the text's beginning; wait while there is none."""
        slot = self._best(text) if self._free else await self._next()
        try:
            yield slot
        finally:
            self._give_back(slot)

    def _best(self, text: str) -> Slot:
        slot = min(self._free, key=lambda slot: slot.misses(text))
        self._free.remove(slot)
        return slot

    async def _next(self) -> Slot:
        place: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # lent in the same moment
                self._give_back(place.result())
            raise

    def _give_back(self, slot: Slot) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(slot)
                return
        self._free.append(slot)


def common_prefix(one: str, other: str) -> int:
    """Return how many characters two texts begin alike with."""
    same, different = 0, min(len(one), len(other)) + 1
    while different - same > 1:  # comparing slices by bisection beats a loop over characters
        middle = (same + different) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            different = middle
    return same
