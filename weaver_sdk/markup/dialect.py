"""A dialect is data: which tags a model family writes, and which white space the client puts between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
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
    reasons_in_think: bool = True
    """Whether a trajectory stands inside the `think` tags, or the family writes none."""
    exact: bool = True
    """Whether stitched text is what the model was trained on. Where it is `False` (trained with threads that
    are masked from each other), text stitching only comes near to it, and a run should say so. The strict
    form then leaves white space around threads open."""
    instruction: str = ""
    """Follows the user's question: on a line of its own, or on the same line if it begins with a space."""

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

THREADWEAVER_LEGACY = replace(
    THREADWEAVER,
    name="threadweaver-legacy",
    conclusion=("<Conclusion>", "</Conclusion>"),
    after_threads="\n<Conclusion>\n",
)
"""The earlier form of ThreadWeaver: the model concludes behind the threads before it closes the block."""

MULTIVERSE = Dialect(
    name="multiverse",
    block=("<Parallel>", "</Parallel>"),
    outlines=("<Goal>", "</Goal>"),
    outline=("<Outline>", "</Outline>"),
    thread=("<Path>", "</Path>"),
    conclusion=("<Conclusion>", "</Conclusion>"),
    seed="<Path>\n{label}:",
    after_threads="<Conclusion>\n",
    nested_labels="dotted",
    exact=False,
    instruction=" Think step by step and in parallel before answering.",
)
"""Multiverse (arXiv 2506.09991)."""

NPR = Dialect(
    name="npr",
    block=None,
    outlines=("<guideline>", "</guideline>"),
    outline=("<plan>", "</plan>"),
    thread=("<step>", "</step>"),
    conclusion=("<takeaway>", "</takeaway>"),
    seed="<step>\n{label}:",
    after_threads="<takeaway>\n",
    nested_labels="dotted",
    reasons_in_think=False,
    exact=False,
)
"""Native Parallel Reasoner (arXiv 2512.07461). The models follow a long prompt of their own, to be given by
the caller; a block has no tag around it and ends with its takeaway."""

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (THREADWEAVER, THREADWEAVER_LEGACY, MULTIVERSE, NPR)
}
"""Every dialect by name."""
