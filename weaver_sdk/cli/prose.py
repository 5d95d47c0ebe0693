"""The main line as a reader sees it: tags off, the outlines held back until a fork comes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from weaver_sdk.markup.dialect import THREADWEAVER, Dialect

_LONG_LINE = 4_000  # characters without a newline after which a line is let go
_LONG_PLAN = 20_000  # characters of outlines after which they are taken for plain text


@dataclass(slots=True)
class Prose:
    """The text of the main line that is not settled yet. Linear in the text, whatever the chunks."""

    dialects: tuple[Dialect, ...] = (THREADWEAVER,)
    """Whose tags to look for."""
    raw: str = ""
    """What came since the last settled line, with its tags."""
    answering: bool = False
    """The reasoning is closed; `raw` is the text of the answer."""
    _tags: re.Pattern[str] = field(init=False)
    _plan: re.Pattern[str] = field(init=False)
    _plan_end: re.Pattern[str] = field(init=False)
    _think_end: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pairs = [pair for dialect in self.dialects for pair in dialect.tags().items()]
        self._tags = _any_of(tag for _, pair in pairs for tag in pair)
        self._plan = _any_of(pair[0] for name, pair in pairs if name in ("block", "outlines"))
        self._plan_end = _any_of(pair[1] for name, pair in pairs if name == "outlines")
        self._think_end = _any_of(pair[1] for name, pair in pairs if name == "think")

    def add(self, text: str) -> str:
        """Take new text; return the lines that are now settled, without tags, or an empty string."""
        self.raw += text
        if self.answering:
            return ""
        settled = ""
        if ">" in text and (close := self._think_end.search(self.raw)) is not None:
            settled, self.raw = self.raw[: close.start()], self.raw[close.end() :]
            self.answering = True
            return self.without_tags(settled)
        if "\n" not in text and len(self.raw) < _LONG_LINE:
            return ""
        plan = self._plan.search(self.raw)
        if plan is not None and self._is_plain_text(plan.start()):
            plan = None
        free = self.raw[: plan.start()] if plan else self.raw
        cut = free.rfind("\n") + 1
        if not cut and len(free) > _LONG_LINE:
            cut = free.rfind(" ") + 1 or len(free)
        settled, self.raw = self.raw[:cut], self.raw[cut:]
        return self.without_tags(settled)

    def fork(self) -> str:
        """The outlines were read: drop them, return what stood before them."""
        plan = self._plan.search(self.raw)
        before, self.raw = self.raw[: plan.start()] if plan else self.raw, ""
        return self.without_tags(before)

    def end(self) -> str:
        """Return all that is left, settled or not."""
        rest, self.raw = self.raw, ""
        return self.without_tags(rest)

    def shown(self) -> str:
        """Return the unsettled text as it can be shown while it grows: no tags, and no half of one."""
        tail = self.raw[-_LONG_LINE:]
        opening = tail.rfind("<")
        if opening >= 0 and ">" not in tail[opening:] and len(tail) - opening < 12:
            tail = tail[:opening]
        return self.without_tags(tail)

    @property
    def planning(self) -> bool:
        """Whether the model is writing outlines."""
        return not self.answering and self._plan.search(self.raw) is not None

    def without_tags(self, text: str) -> str:
        """Return the text without tags; a line that held nothing else goes with them."""
        if "<" not in text:
            return text
        lines = []
        for line in text.split("\n"):
            bare = self._tags.sub("", line)
            if bare == line or bare.strip():
                lines.append(bare)
        return "\n".join(lines)

    def _is_plain_text(self, plan: int) -> bool:
        end = self._plan_end.search(self.raw, plan)
        if end is None:
            return len(self.raw) - plan > _LONG_PLAN
        return bool(self.raw[end.end() :].strip())  # the model went on: no fork came of it


def _any_of(tags: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of the tags, in any letter case."""
    return re.compile("|".join(map(re.escape, sorted(set(tags)))), re.IGNORECASE)
