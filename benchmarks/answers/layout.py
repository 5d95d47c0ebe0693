"""The lines of an answer: headings, items, table rows, code, in Markdown as models write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "item", "row", "rule", "code", "fence", "text"]

_TEXT_FENCES = ("", "markdown", "md", "text", "plaintext", "txt", "email", "letter")
"""Fenced blocks of these languages hold text: models like to put an e-mail or a table into one."""
_FENCE = re.compile(r"\s*(?:```|~~~)\s*([\w+#.-]*)")
_HASH = re.compile(r"(#{1,6})\s+(.*)")
_BOLD_LINE = re.compile(r"(\*\*|__)(.+?)\1\s*:?\s*$")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|\d{1,2}[.)])\s+(.*)")
_LEAD = re.compile(
    r"(?:(?:\*\*|__)(?P<bold>.+?)(?:\*\*|__)\s*[:.–-]*|(?P<plain>[^:.!?]{1,60}):)\s*(?P<rest>.*)"
)
_SUBJECT = re.compile(r"\W*(?:subject|title)\W*:", re.IGNORECASE)
_RULE = re.compile(r"\s*([-*_=])(?:\s*\1){2,}\s*$")
_TABLE_RULE = re.compile(r"[\s|:+-]+$")


@dataclass(frozen=True)
class Line:
    """One line that holds anything."""

    kind: Kind
    text: str
    """What it says, without its marks and without its title."""
    title: str = ""
    """Of a heading all; of an item the bold words or those before the colon; of a row its first cell."""
    level: int = 0
    """1 to 6 for `#`, 7 for other headings, 8 for a short line alone, 10 and the indent for items."""
    fence: str | None = None
    """The language of the fenced block that holds it; `None` outside of one."""

    @property
    def cells(self) -> list[str]:
        """The cells of a row."""
        return [cell.strip() for cell in self.text.strip().strip("|").split("|")]


def words(text: str) -> int:
    """Return how many words and numbers a text has."""
    return len(re.findall(r"\w[\w'’-]*", text))


def lines_of(answer: str) -> Iterator[Line]:
    """Yield the lines of an answer that are not empty."""
    fence: str | None = None
    for raw in answer.splitlines():
        if not raw.strip():
            continue
        if mark := _FENCE.match(raw):
            fence = mark[1].lower() if fence is None else None
            yield Line("fence", "", fence=fence)
        elif fence is not None and fence not in _TEXT_FENCES:
            yield Line("code", raw, fence=fence)
        else:
            yield _line(raw, fence)


def open_fence(answer: str) -> bool:
    """Return whether a fenced block is open at the end."""
    return sum(bool(_FENCE.match(raw)) for raw in answer.splitlines()) % 2 == 1


def _line(raw: str, fence: str | None) -> Line:
    stripped = raw.strip()
    if _RULE.match(stripped):
        return Line("rule", "", fence=fence)
    if stripped.startswith("|") or stripped.count("|") >= 2:
        text = "" if _TABLE_RULE.match(stripped) else stripped
        row = Line("row", text, fence=fence)
        return Line("row", text, title=row.cells[0], fence=fence)
    if hashes := _HASH.match(stripped):
        return Line("heading", "", hashes[2].strip("*_# "), len(hashes[1]), fence)
    if bold := _BOLD_LINE.match(stripped):
        return Line("heading", "", bold[2], 7, fence)
    if _SUBJECT.match(stripped):
        return Line("heading", "", stripped.strip("*_ "), 7, fence)
    item = _ITEM.match(raw)
    said = item[2] if item else stripped
    lead = _LEAD.match(said)
    title = (lead["bold"] or lead["plain"] or "") if lead else ""
    rest = lead["rest"] if lead else said
    if item:
        if not lead and words(said) <= 6 and not said.endswith((".", "!", "?")):
            title, rest = said, ""
        return Line("item", rest, title, 10 + len(item[1].expandtabs(4)), fence)
    if lead and (lead["bold"] or words(title) <= 6):
        return Line("heading", rest, title, 7, fence)
    if words(stripped) <= 6 and not re.search(r"[.,!?;]\W*$", stripped):
        return Line("heading", "", stripped, 8, fence)
    return Line("text", stripped, fence=fence)
