"""Which tag ends a completion, what the server is told to stop at, and what a bad thread is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weaver_sdk.markup import Dialect, Tag, TagName, scan
from weaver_sdk.result import RepairKind

TagKey = tuple[TagName, bool]
"""A tag's name and whether it closes."""

FORK: TagKey = ("outlines", True)
THREAD_END: TagKey = ("thread", True)
THINK_END: TagKey = ("think", True)


@dataclass(frozen=True)
class Rules:
    """How one completion is read."""

    ends: frozenset[TagKey] = frozenset()
    """The first of these tags ends the completion; the text is cut before it."""
    stops: Mapping[str, TagKey] = field(default_factory=dict)
    """The stop strings that the server is sent, and the tag that each one is."""
    silent_stop: TagKey | None = None
    """What a server means that says "stop" but not at what; an open list of outlines goes before."""


_FORBIDDEN_IN_THREAD: dict[TagKey, RepairKind] = {
    ("thread", False): "thread_opened_thread",
    ("block", True): "thread_closed_block",
    ("think", True): "thread_closed_think",
}
_BLOCK_IN_THREAD: dict[TagKey, RepairKind] = {
    ("block", False): "thread_opened_block",
    ("outlines", False): "thread_opened_block",
}


def plain_rules() -> Rules:
    """Tags are plain text: sequential mode, and a main line that may fork no more."""
    return Rules()


def main_rules(dialect: Dialect) -> Rules:
    """The main line goes on until its outlines are complete."""
    return Rules(frozenset({FORK}), {dialect.outlines[1]: FORK})


def thread_rules(dialect: Dialect, *, may_fork: bool) -> Rules:
    """A thread goes on until it closes, or writes what no thread may write."""
    closing = {dialect.thread[1]: THREAD_END}
    if may_fork:
        # Inside its own block a thread may well write </Parallel>: it closes what it opened.
        ends = {THREAD_END, FORK, ("thread", False), ("think", True)}
        return Rules(frozenset(ends), closing | {dialect.outlines[1]: FORK}, silent_stop=THREAD_END)
    ends = {THREAD_END, *_FORBIDDEN_IN_THREAD, *_BLOCK_IN_THREAD}
    return Rules(frozenset(ends), closing, silent_stop=THREAD_END)


def forbidden_in_thread(tag: Tag) -> RepairKind | None:
    """Return the repair for a tag that cut a thread short; `None` for the thread's own closing tag."""
    key = (tag.name, tag.closing)
    return _FORBIDDEN_IN_THREAD.get(key) or _BLOCK_IN_THREAD.get(key)


def is_open(text: str, dialect: Dialect, name: TagName, *, before: bool = False) -> bool:
    """Tell whether the last tag of that name is an opening one; `before` counts where there is none."""
    tags = [token for token in scan(text, dialect) if isinstance(token, Tag) and token.name == name]
    return not tags[-1].closing if tags else before
