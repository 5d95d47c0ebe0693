"""The slots of a llama.cpp server: which text each one has cached, and which request gets it. No I/O."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from weaver_sdk.backends.prefixes import common_prefix


@dataclass
class Slot:
    """One slot of the server: it runs one completion at a time, with a cache of its own."""

    number: int
    holds: str = ""
    """The text that is believed to be in its cache. A wrong guess costs time and nothing else."""

    def misses(self, text: str) -> int:
        """Return how many characters of a text are not in the cache yet."""
        return len(text) - common_prefix(self.holds, text)


class SlotPool:
    """Lends each slot to one request at a time. No request waits here: permits are as few as slots."""

    def __init__(self, slots: int) -> None:
        self._free = [Slot(number) for number in range(slots)]  # the least recently used one first

    @contextmanager
    def lend(self, text: str) -> Generator[Slot, None, None]:
        """Lend the free slot that has the longest prefix of the text cached.

        Raises:
            RuntimeError: no slot is free, because the caller holds no permit.
        """
        if not self._free:
            raise RuntimeError("no slot is free: take a permit first (there are no more permits than slots)")
        slot = min(self._free, key=lambda slot: slot.misses(text))
        self._free.remove(slot)
        try:
            yield slot
        finally:
            self._free.append(slot)
