"""The slots of a llama.cpp server: which text each one holds, and who gets which. No I/O."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from weaver_sdk.backends.prefixes import common_prefix


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
    """Lends each slot to one request at a time. It makes nobody wait: permits are as few as slots."""

    def __init__(self, slots: int) -> None:
        self._free = [Slot(number) for number in range(slots)]  # the least recently used one first

    @contextmanager
    def lend(self, text: str) -> Generator[Slot, None, None]:
        """Lend the free slot that holds most of the text's beginning.

        Raises:
            RuntimeError: none is free: the caller holds no permit.
        """
        if not self._free:
            raise RuntimeError("no slot is free: take a permit first, of which there are no more than slots")
        slot = min(self._free, key=lambda slot: slot.misses(text))
        self._free.remove(slot)
        try:
            yield slot
        finally:
            self._free.append(slot)
