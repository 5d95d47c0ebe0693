"""A dialect is data: which tags a model family writes, and which white space the client puts between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TagPair = tuple[str, str]
"""An opening and a closing tag."""

TagName = Literal["think", "block", "outlines", "outline", "thread"]
"""What a tag is for, whatever a dialect calls it."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The markup of one model family, as a table entry.

    The main line is decoded until `outlines` closes. Each thread is then decoded behind
    `before_threads + seed`, until `thread` closes; all threads together are appended as
    `before_threads + seed + text + closing tag + between_threads + seed + … + after_threads`.
    """

    name: str
    think: TagPair = ("<think>", "</think>")
    block: TagPair | None
    """Encloses outlines and threads; `None` where the family writes no such tag."""
    outlines: TagPair
    """Encloses the list of outlines; its closing tag is where the main line stops and forks."""
    outline: TagPair
    """Encloses one outline, `N: text`."""
    thread: TagPair
    seed: str
    """What the client writes to begin a thread; `{label}` and `{outline}` are filled in."""
    before_threads: str = "\n"
    between_threads: str = ""
    after_threads: str = "\n"
    block_closed_by: Literal["model", "client"] = "model"
    """Who writes the closing tag of the block after the join."""
    instruction: str = ""
    """Follows the user's question on a line of its own."""

    def tags(self) -> dict[TagName, TagPair]:
        """Return every pair of tags that the dialect has."""
        pairs: dict[TagName, TagPair | None] = {
            "think": self.think,
            "block": self.block,
            "outlines": self.outlines,
            "outline": self.outline,
            "thread": self.thread,
        }
        return {name: pair for name, pair in pairs.items() if pair is not None}


THREADWEAVER = Dialect(
    name="threadweaver",
    block=("<Parallel>", "</Parallel>"),
    outlines=("<Outlines>", "</Outlines>"),
    outline=("<Outline>", "</Outline>"),
    thread=("<Thread>", "</Thread>"),
    seed="<Thread>\n{label}:",
    instruction="Let's think step by step and output the final answer within \\boxed{}.",
)
"""ThreadWeaver (arXiv 2512.07843), in the form that its public code trains on."""

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (THREADWEAVER,)}
"""Every dialect by name."""
