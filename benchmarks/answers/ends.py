"""Whether a text ends where its writer meant it to, as far as the text itself can tell."""

from __future__ import annotations

import re

from benchmarks.answers.layout import lines_of, open_fence, words

_GOES_ON = re.compile(
    r"(?:[,(–—-]|\b(?:a|an|and|are|as|at|but|by|for|from|has|have|if|in|is|of|on|or|our|that|the|their|this|to|"
    r"was|which|will|with|you|your))$",
    re.IGNORECASE,
)
"""What no text ends with."""
_GREETING = re.compile(
    r"(?:regards|wishes|sincerely|truly|thanks|thank you|yours|love|cheers|faithfully|respectfully),$",
    re.I,
)
_SHORT = 8
"""Words up to which a line needs no full stop: a name, a title, an entry of a list."""


def is_cut(text: str) -> bool:
    """Return whether a text stops in the middle: in a sentence, or in a block of code that is not closed.

    A line of a list needs a full stop only if the one before it has one.
    """
    if open_fence(text) or _plain(text).endswith(":"):
        return True
    lines = [line for line in lines_of(text) if line.kind not in ("rule", "fence")]
    if not lines:
        return False
    last = lines[-1]
    said = _plain(last.text or last.title)
    if last.kind in ("code", "row") or not said or _GREETING.search(said):
        return False
    if _GOES_ON.search(said) or (last.level in range(1, 7) and not last.text):
        return True
    if not said[-1].isalnum():
        return False
    if last.kind == "item":
        before = [_plain(line.text or line.title) for line in lines[:-1] if line.kind == "item"]
        return words(said) > _SHORT and bool(before) and before[-1].endswith(".")
    return last.kind == "text" and words(said) > _SHORT


def _plain(text: str) -> str:
    return text.strip().rstrip("*_").strip()
