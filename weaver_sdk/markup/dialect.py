"""A dialect is data: which tags a model family writes, and which white space the client puts between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from weaver_sdk.errors import ConfigurationError

TagPair = tuple[str, str]
"""An opening and a closing tag."""

TagName = Literal["think", "block", "outlines", "outline", "thread", "conclusion"]
"""What a tag is for, whatever a dialect calls it."""

DEEPEST_BLOCK = 32
"""Blocks that nest deeper than this are read as plain text, whatever a caller allows."""

_TAG = re.compile(r"<[^<>]+>")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The markup of one model family, as a table entry.

    The main line is decoded until `outlines` closes. Each thread is then decoded behind
    `before_threads + seed`, until `thread` closes; all threads together are appended as
    `before_threads + seed + text + closing tag + between_threads + seed + … + after_threads`.

    Raises:
        ConfigurationError: a tag is not of the form `<…>`, two tags are alike but for their letter case,
            or the seed does not begin with the tag that opens a thread.
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
    conclusion: TagPair | None = None
    """Encloses what the model writes after the join, before the block closes; `after_threads` opens it."""
    seed: str
    """What the client writes to begin a thread; `{label}` and `{outline}` are filled in."""
    before_threads: str = "\n"
    between_threads: str = ""
    after_threads: str = "\n"
    thread_end: str = "\n"
    """Ends a thread's text: the model writes it, and the client where it closes a thread early."""
    block_closed_by: Literal["model", "client"] = "model"
    """Who writes the closing tag of the block after the join."""
    nested_labels: Literal["plain", "dotted"] = "plain"
    """How threads of a block inside thread 2 are numbered: `1, 2, …` or `2.1, 2.2, …`."""
    exact: bool = True
    """Whether stitched text is what the model was trained on. Where it is `False` (trained with threads that
    are masked from each other), text stitching only comes near to it, and a run should say so."""
    instruction: str = ""
    """Follows the user's question on a line of its own."""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for tag in (tag for pair in self.tags().values() for tag in pair):
            if not _TAG.fullmatch(tag) or not tag.isascii():
                raise ConfigurationError(f"dialect {self.name}: {tag!r} is not a tag: write it as <name>")
            if tag.lower() in seen:
                raise ConfigurationError(
                    f"dialect {self.name}: {tag} has two meanings: tags must differ by more than letter case"
                )
            seen.add(tag.lower())
        if not self.seed.startswith(self.thread[0]):
            raise ConfigurationError(f"dialect {self.name}: the seed must begin with {self.thread[0]}")

    def tags(self) -> dict[TagName, TagPair]:
        """Return every pair of tags that the dialect has."""
        pairs: dict[TagName, TagPair | None] = {
            "think": self.think,
            "block": self.block,
            "outlines": self.outlines,
            "outline": self.outline,
            "thread": self.thread,
            "conclusion": self.conclusion,
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
