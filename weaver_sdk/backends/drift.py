"""Re-tokenization drift: text that comes back to a server may be cut into other tokens than were written.

A tokenizer is no bijection: the model may write "ab" as two tokens where the tokenizer makes one of it. So a
context that is sent as text is not always what the model was in the middle of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from weaver_sdk.backends.base import Span


def drift_tokens(spans: Iterable[Span], prompt_ids: Iterable[int]) -> int:
    """Return how many of the tokens that were written do not stand in an input as they were.

    Args:
        spans: all that the input is made of; stretches without known tokens do not count.
        prompt_ids: the tokens that the server made of the whole input.
    """
    prompt, lost = _as_text(prompt_ids), 0
    first, last = (
        0,
        0,
    )  # where the next stretch may begin: behind the one before, and as far as its text allows
    for span in spans:
        if not span.ids:
            last += len(span.text)  # it is as many tokens at most
            continue
        head, rest = _split(_as_text(span.ids), partial(_stands, prompt, first, last))
        if head:
            first, last = prompt.find(head, first) + len(head), last + len(head)
        if rest:  # what comes behind the change may be as it was again
            last += len(span.text)
            tail, between = _split(rest[::-1], partial(_stands_reversed, prompt, first, last))
            if tail:
                first = prompt.find(tail[::-1], first) + len(tail)
            lost += len(between)
    return lost


def _stands(text: str, first: int, last: int, part: str) -> bool:
    """Tell whether a part of a text begins between two places in it."""
    return text.find(part, first, last + len(part)) >= 0


def _stands_reversed(text: str, first: int, last: int, part: str) -> bool:
    return _stands(text, first, last, part[::-1])


def _as_text(ids: Iterable[int]) -> str:
    """Return a text with one character a token: finding tokens is then finding text, which is fast."""
    return "".join(map(chr, ids))


def _split(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """Cut a text behind the longest beginning that fits; every shorter one fits too."""
    if fits(text):
        return text, ""
    good, bad = 0, len(text)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(text[:middle]) else (good, middle)
    return text[:good], text[good:]
