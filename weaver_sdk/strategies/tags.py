"""Which tag ends a completion, and what text between tags is for. One scanner reads it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from weaver_sdk.markup import Dialect, Scanner, Tag, TagName, Text, Token, scan
from weaver_sdk.result import Outcome, Phase, RepairKind

TagKey = tuple[TagName, bool]
"""A tag's name and whether it closes."""

FORK: TagKey = ("outlines", True)
THREAD_END: TagKey = ("thread", True)
THINK_END: TagKey = ("think", True)

_FORBIDDEN_IN_THREAD: dict[TagKey, RepairKind] = {
    ("thread", False): "thread_opened_thread",
    ("block", True): "thread_closed_block",
    ("think", True): "thread_closed_think",
}
_BLOCK_IN_THREAD: dict[TagKey, RepairKind] = {
    ("block", False): "thread_opened_block",
    ("outlines", False): "thread_opened_block",
}


@dataclass(frozen=True)
class StopRules:
    """How one completion is read."""

    ends: frozenset[TagKey] = frozenset()
    """The first of these tags ends the completion; the text is cut before it."""
    stops: Mapping[str, TagKey] = field(default_factory=dict)
    """The stop strings that the server is sent, and the tag that each one is."""
    default_tag: TagKey | None = None
    """What a server means that says "stop" but not at what; an open list of outlines goes before."""


def plain_rules() -> StopRules:
    """Tags are plain text: sequential mode, and a main line that may fork no more."""
    return StopRules()


def main_rules(dialect: Dialect) -> StopRules:
    """The main line goes on until its outlines are complete."""
    return StopRules(frozenset({FORK}), {dialect.outlines[1]: FORK})


def thread_rules(dialect: Dialect, *, may_fork: bool) -> StopRules:
    """A thread goes on until it closes, or writes what no thread may write."""
    closing = {dialect.thread[1]: THREAD_END}
    if may_fork:
        # Inside its own block a thread may well write </Parallel>: it closes what it opened.
        ends = {THREAD_END, FORK, ("thread", False), ("think", True)}
        return StopRules(frozenset(ends), closing | {dialect.outlines[1]: FORK}, default_tag=THREAD_END)
    ends = {THREAD_END, *_FORBIDDEN_IN_THREAD, *_BLOCK_IN_THREAD}
    return StopRules(frozenset(ends), closing, default_tag=THREAD_END)


def forbidden_in_thread(tag: Tag | None) -> RepairKind | None:
    """Return the repair for a tag that cut a thread short; `None` for the thread's own closing tag."""
    if tag is None:
        return None
    key = (tag.name, tag.closing)
    return _FORBIDDEN_IN_THREAD.get(key) or _BLOCK_IN_THREAD.get(key)


def is_open(text: str, dialect: Dialect, name: TagName, *, before: bool = False) -> bool:
    """Return whether the last tag of that name is an opening one; `before` counts where there is none."""
    tags = [token for token in scan(text, dialect) if isinstance(token, Tag) and token.name == name]
    return not tags[-1].closing if tags else before


def is_answering(text: str, dialect: Dialect) -> bool:
    """Return whether the reasoning is over."""
    return any(
        isinstance(token, Tag) and token.name == "think" and token.closing for token in scan(text, dialect)
    )


@dataclass(frozen=True)
class TagFound:
    """A tag that ended a text."""

    key: TagKey
    text: str
    """As it was written; the stop string where the server kept it back."""
    tag: Tag | None = None
    """The same as the scanner read it; `None` where the server kept it back."""

    @property
    def outcome(self) -> Outcome:
        """A tag that no thread may write cuts a text short."""
        return "eos" if forbidden_in_thread(self.tag) else "done"


class TagWatch:
    """Reads text with tags: finds the tag that ends it, and splits it into plan, reasoning and answer.

    Args:
        dialect: whose tags.
        rules: which of them end the text.
        more_stops: further strings at which the server ends the sequence.
        phase: what the text is for, until the reasoning ends.
        forks: whether tags are markup; else they are text as any other.
    """

    def __init__(
        self,
        dialect: Dialect,
        rules: StopRules,
        more_stops: tuple[str, ...] = (),
        phase: Phase = "reasoning",
        *,
        forks: bool = True,
    ) -> None:
        self.stops = (*rules.stops, *more_stops)
        self.ended: TagFound | None = None
        self.passed: set[TagKey] = set()
        """Tags that were read as text."""
        self._rules = rules
        self._scanner = Scanner(dialect)
        self._phase: Phase = phase
        self._forks = forks
        self._open_outlines = False
        self._after_tag = False

    def feed(self, text: str) -> Iterable[tuple[Phase, str]]:
        """Take new text; return what of it is settled."""
        return self._take(self._scanner.feed(text))

    def close(self) -> Iterable[tuple[Phase, str]]:
        """Return what might have become a tag."""
        return self._take(self._scanner.close())

    def stopped(self, matched: str | None, *, sure: bool) -> TagFound | None:
        """Return the tag that ended the text, by what the server says and what stands open."""
        if matched is not None:
            key = self._rules.stops.get(matched)
            return TagFound(key, matched) if key else None
        if sure:
            return None
        key = FORK if self._open_outlines and FORK in self._rules.ends else self._rules.default_tag
        if key is None:
            return None
        return TagFound(key, next(text for text, stop in self._rules.stops.items() if stop == key))

    def _take(self, tokens: list[Token]) -> list[tuple[Phase, str]]:
        if len(tokens) == 1 and isinstance(tokens[0], Text) and not self._after_tag:
            return self._text(tokens[0].text)  # as almost every chunk is
        settled: list[tuple[Phase, str]] = []
        for token in tokens:
            if isinstance(token, Text):
                settled += self._text(token.text)
                continue
            key = (token.name, token.closing)
            if key in self._rules.ends:
                self.ended = TagFound(key, token.text, token)
                break
            self.passed.add(key)
            settled.append(self._tag(key, token.text))
        return _merged(settled)

    def _tag(self, key: TagKey, text: str) -> tuple[Phase, str]:
        """Return what a tag is for. Markup is part of the plan, and so is the line break after it."""
        if key[0] == "outlines":
            self._open_outlines = not key[1]
        if key == THINK_END and self._phase == "reasoning":
            self._phase = "answer"
        elif self._phase == "answer" or not (self._forks or key[0] == "think"):
            return self._phase, text
        self._after_tag = True
        return "plan", text

    def _text(self, text: str) -> list[tuple[Phase, str]]:
        if self._open_outlines and self._forks and self._phase == "reasoning":
            return [("plan", text)]
        if self._after_tag:
            self._after_tag = False
            if text.startswith("\n"):
                return [("plan", "\n"), (self._phase, text[1:])]
        return [(self._phase, text)]


def _merged(pieces: list[tuple[Phase, str]]) -> list[tuple[Phase, str]]:
    """Return the pieces with neighbours of one phase put together, and without empty ones."""
    merged: list[tuple[Phase, str]] = []
    for phase, text in pieces:
        if merged and merged[-1][0] == phase:
            merged[-1] = (phase, merged[-1][1] + text)
        elif text:
            merged.append((phase, text))
    return merged
