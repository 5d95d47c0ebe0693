"""Re-tokenization drift: text that is sent back to a server may be tokenized differently than it was written.

A tokenizer is no bijection: the model may write "ab" as two tokens where the tokenizer makes it one. So a
context that is sent as text is not always the token sequence that the model was continuing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from weaver_sdk.backends.base import Span


def drift_tokens(spans: Iterable[Span], prompt_ids: Iterable[int]) -> int:
    """Return how many of the tokens that the model wrote are missing from an input.

    Args:
        spans: the whole input; spans without known tokens do not count.
        prompt_ids: the tokens of the whole input, as reported by the server.
    """
    prompt, lost = _as_text(prompt_ids), 0
    # where the next span may begin: after the previous one, and no later than its text allows
    first, last = 0, 0
    for span in spans:
        if not span.ids:
            last += len(span.text)  # it has no more tokens than characters
            continue
        prefix_text, rest = _split(_as_text(span.ids), partial(_occurs, prompt, first, last))
        if prefix_text:
            first, last = prompt.find(prefix_text, first) + len(prefix_text), last + len(prefix_text)
        if rest:  # after the changed tokens, the rest may be unchanged
            last += len(span.text)
            suffix_text, changed = _split(rest[::-1], partial(_occurs_reversed, prompt, first, last))
            if suffix_text:
                first = prompt.find(suffix_text[::-1], first) + len(suffix_text)
            lost += len(changed)
    return lost


def _occurs(text: str, first: int, last: int, part: str) -> bool:
    """Return whether a part of a text begins between two positions in it."""
    return text.find(part, first, last + len(part)) >= 0


def _occurs_reversed(text: str, first: int, last: int, part: str) -> bool:
    return _occurs(text, first, last, part[::-1])


def _as_text(ids: Iterable[int]) -> str:
    """Return a text with one character per token: finding tokens is then finding text, which is fast."""
    return "".join(map(chr, ids))


def _split(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """Split a text after its longest prefix that fits; every shorter prefix fits too."""
    if fits(text):
        return text, ""
    good, bad = 0, len(text)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(text[:middle]) else (good, middle)
    return text[:good], text[good:]
