"""A trajectory as structure: text, and blocks of threads.

Every character of a text belongs to exactly one field, so a parsed text stitches back to the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from weaver_sdk.markup.outlines import Outline
from weaver_sdk.result import Repair


@dataclass(frozen=True, slots=True)
class BlockThread:
    """One thread of a block, as written."""

    gap: str
    """The text between it and the thread or the outlines before it."""
    opening: str
    """Its seed: the tag that opens it, and its number."""
    label: str
    """The number; empty if it has none."""
    parts: tuple[Part, ...]
    """What it wrote: text and blocks."""
    closing: str
    """The tag that closes it; empty if unclosed."""

    @property
    def text(self) -> str:
        """What the thread wrote after its seed and before its closing tag."""
        return _stitch(self.parts)

    def stitch(self) -> str:
        """Return the thread as it was written."""
        return self.gap + self.opening + self.text + self.closing


@dataclass(frozen=True, slots=True)
class Block:
    """A fork and its join, as written."""

    head: str
    """From the tag that opens the block to the one that closes its outlines."""
    outlines: tuple[Outline, ...]
    threads: tuple[BlockThread, ...]
    closing: str
    """From the last thread to the tag that closes the block; empty if unclosed."""

    def stitch(self) -> str:
        """Return the block as it was written."""
        return self.head + "".join(thread.stitch() for thread in self.threads) + self.closing


Part = str | Block


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What a model and its client wrote."""

    parts: tuple[Part, ...]
    """Text and blocks, in order; no text is empty."""
    repairs: tuple[Repair, ...]
    """The repairs made while reading it, in order."""
    answer_start: int | None
    """Offset after the last `</think>` outside threads; `None` if there is none."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the main line."""
        return tuple(part for part in self.parts if isinstance(part, Block))

    def stitch(self) -> str:
        """Return the text that was parsed, byte for byte, well-formed or not."""
        return _stitch(self.parts)


def _stitch(parts: tuple[Part, ...]) -> str:
    return "".join(part if isinstance(part, str) else part.stitch() for part in parts)
