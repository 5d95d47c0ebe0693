"""A dialect is data: the tags that a model family writes, and the white space that the client adds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from weaver_sdk.errors import ConfigurationError

TagPair = tuple[str, str]
"""An opening and a closing tag."""

TagName = Literal["think", "block", "outlines", "outline", "thread", "conclusion"]
"""What a tag is for, however a dialect spells it."""

DEEPEST_BLOCK = 32
"""Blocks that nest deeper than this are read as plain text, whatever a caller allows."""

_TAG = re.compile(r"<[^<>]+>")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The markup of one model family, as a table entry.

    The main line is decoded until `outlines` closes. Each thread is then decoded after
    `before_threads + seed`, until `thread` closes; all threads together are appended as
    `before_threads + seed + text + closing tag + between_threads + seed + … + after_threads`.

    Raises:
        ConfigurationError: a tag is not of the form `<…>`, two tags differ only in letter case,
            or the seed does not begin with the tag that opens a thread.
    """

    name: str
    think: TagPair = ("<think>", "</think>")
    block: TagPair | None
    """Encloses outlines and threads; `None` if the family writes no such tag."""
    outlines: TagPair
    """Encloses the list of outlines; at its closing tag the main line stops and forks."""
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
    """Ends a thread's text: written by the model, or by the client when it closes a thread early."""
    block_closed_by: Literal["model", "client"] = "model"
    """Who writes the closing tag of the block after the join."""
    nested_labels: Literal["plain", "dotted"] = "plain"
    """How threads of a block inside thread 2 are numbered: `1, 2, …` or `2.1, 2.2, …`."""
    reasons_in_think: bool = True
    """Whether a trajectory stands inside `think` tags; false if the family writes none."""
    exact: bool = True
    """Whether stitched text is what the model was trained on. `False` for models trained with threads that
    are masked from each other: stitching only approximates that, and a run should say so. The strict form
    then allows any white space around threads."""
    instruction: str = ""
    """Follows the user's question: on a line of its own, or on the same line if it begins with a space."""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for tag in (tag for pair in self.tags().values() for tag in pair):
            if not _TAG.fullmatch(tag) or not tag.isascii():
                raise ConfigurationError(f"dialect {self.name}: {tag!r} is not a tag: write it as <name>")
            if tag.lower() in seen:
                raise ConfigurationError(
                    f"dialect {self.name}: {tag} is used twice: tags must differ by more than letter case"
                )
            seen.add(tag.lower())
        if not self.seed.startswith(self.thread[0]):
            raise ConfigurationError(f"dialect {self.name}: the seed must begin with {self.thread[0]}")

    def tags(self) -> dict[TagName, TagPair]:
        """Return all pairs of tags of the dialect."""
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
"""The earlier form of ThreadWeaver: the model writes a conclusion between the threads and the block's end."""

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
"""Native Parallel Reasoner (arXiv 2512.07461). The models need a long prompt of their own, which the
caller gives; a block has no tag around it and ends with its takeaway."""

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (THREADWEAVER, THREADWEAVER_LEGACY, MULTIVERSE, NPR)
}
"""Every dialect by name."""
