"""From parts that are written at once to one answer: each in its place, as soon as it can stand there."""

from __future__ import annotations

import re
from collections.abc import Callable

from weaver_sdk.strategies.plan import Form, Plan


def heading(plan: Plan, number: int) -> str:
    """Return what stands in front of a part's text; parts are counted from 0."""
    title = plan.parts[number].title
    return {
        "sections": f"## {title}\n\n",
        "numbered": f"{number + 1}. **{title}**: ",
        "bullets": f"- **{title}**: ",
        "texts": "",
        "json": "",
    }[plan.form]


class Assembly:
    """The answer that parts become. A part's text is let out when all before it have ended.

    Args:
        plan: what the parts are.
        write: takes the text of the answer, piece by piece.
    """

    def __init__(self, plan: Plan, write: Callable[[str], None]) -> None:
        self._plan = plan
        self._write = write
        self._waiting = [""] * len(plan.parts)
        self._ended = [False] * len(plan.parts)
        self._at = 0
        self._begun = [False] * len(plan.parts)
        self._space = ""

    @property
    def begun(self) -> bool:
        """Whether any text was let out."""
        return any(self._begun)

    def heard(self, number: int, text: str) -> None:
        """Take new text of a part."""
        self._waiting[number] += text
        self._let_out()

    def ended(self, number: int) -> None:
        """Take a part's word that it has no more to say."""
        self._ended[number] = True
        self._let_out()

    def finish(self) -> None:
        """Let out all that there is, also of parts that did not come to their end."""
        self._ended = [True] * len(self._ended)
        self._let_out()
        if self.begun:
            self._write(_BETWEEN[self._plan.form][2])

    def _let_out(self) -> None:
        while self._at < len(self._ended):
            text, self._waiting[self._at] = self._waiting[self._at], ""
            self._say(text)
            if not self._ended[self._at]:
                return
            self._space = ""  # at the end of a part it is the assembly's own
            self._at += 1

    def _say(self, text: str) -> None:
        """Write a piece of the part whose turn it is; white space waits for what follows it."""
        begun = self._begun[self._at]
        text = self._space + text if begun else text.lstrip()
        kept = text.rstrip()
        self._space = text[len(kept) :]
        if not kept:
            return
        if not begun:
            first, between, _ = _BETWEEN[self._plan.form]
            lead = heading(self._plan, self._at)
            if lead.endswith(": ") and _BLOCK.match(kept):
                lead = lead.removesuffix(": ") + "\n\n"
            self._write((between if self.begun else first) + lead)
            self._begun[self._at] = True
        self._write(kept)


_BLOCK = re.compile(r"[|`#>~]|[-*+] |\d+[.)] ")
"""What begins a line of its own in Markdown, and cannot follow a title."""

_BETWEEN: dict[Form, tuple[str, str, str]] = {
    "sections": ("", "\n\n", ""),
    "numbered": ("", "\n\n", ""),
    "bullets": ("", "\n\n", ""),
    "texts": ("", "\n\n", ""),
    "json": ("[\n", ",\n", "\n]"),
}
"""What comes before the first part, between parts, and after the last."""
