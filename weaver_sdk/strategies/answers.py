"""What a reply answers, and whether two answers are the same."""

from __future__ import annotations

import importlib
import re
import threading
from fractions import Fraction

from weaver_sdk.markup import THREADWEAVER, last_box

BOXED = THREADWEAVER.instruction
"""Asks for an answer that can be compared."""

_FILLER = re.compile(
    r"\\(?:text|mathrm)\{([^{}]*)\}|\\[,;:!]|\\(?:left|right)\b|\\?\$|\\(?=%)|\{(?=,\})|(?<=\{,)\}"
)
_SPACE = re.compile(r"\\ |(?<=\d)\s*(?=\\[dt]?frac\{)")
"""Written as such, or between a whole number and its fraction."""
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_GROUPS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SPACED = re.compile(r"[-+]?\d{1,3}(?: \d{3})+")
_NUMBER = re.compile(
    r"([-+]?) ?(?:(\d+) (?=\d+ ?/))?(\d+ ?/ ?\d+|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?) ?(%?)"
)
_WORDS = re.compile(r"(?<![a-z\\])[a-z]{2,}")
_COSTLY = re.compile(
    r"\^\{[^{}]*\^|\^[{(]*-?\d{4}|\*\*|\d{3} ?!|\\(?:binom|sum|prod|int)\b|.{200}", re.DOTALL
)
"""What a computer algebra system may work on for hours, without a way to stop it."""
_SECONDS = 1


def answer_of(reply: str) -> str:
    """Return what a reply answers: its last `\\boxed{…}`, else what follows its reasoning, else all of it."""
    return last_box(reply) or reply.rpartition("</think>")[2].strip()


def same_answer(one: str, other: str) -> bool:
    """Return whether two answers are the same: as words, as numbers, and as mathematics.

    Mathematics is compared by math-verify where that is installed, and in the main thread alone: its time
    limits need that.
    """
    plain, plain_other = _plain(one), _plain(other)
    if plain == plain_other:
        return True
    number, number_other = _number(plain), _number(plain_other)
    if number is not None and number_other is not None:
        return number == number_other
    return _may_be_mathematics(plain, plain_other) and _verified(one, other)


def _plain(answer: str) -> str:
    """Return an answer without what does not count: case, white space, a full stop, LaTeX's wrappings."""
    text = _FILLER.sub(lambda found: found[1] or "", _SPACE.sub(" ", answer))
    return _GROUPS.sub("", " ".join(_FRACTION.sub(r"\1/\2", text).split())).rstrip(".").casefold()


def _number(plain: str) -> Fraction | None:
    found = _NUMBER.fullmatch(plain.replace(" ", "") if _SPACED.fullmatch(plain) else plain)
    if found is None:
        return None
    sign, whole, rest, percent = found.groups()
    try:
        value = Fraction(rest.replace(" ", "")) + int(whole or 0)
    except (ValueError, ZeroDivisionError):  # more digits than Python reads, or no number
        return None
    return value * (-1 if sign == "-" else 1) / (100 if percent else 1)


def _may_be_mathematics(one: str, other: str) -> bool:
    """Tell whether a comparison has a point: of words, the letters would be multiplied, so that on is no."""
    words, words_other = set(_WORDS.findall(one)), set(_WORDS.findall(other))
    differ = bool(words and words_other) and words != words_other
    return not differ and not any(_COSTLY.search(text) for text in (one, other))


def _verified(one: str, other: str) -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        maths = importlib.import_module("math_verify")
    except ModuleNotFoundError:
        return False
    first, second = (maths.parse(f"${text.strip('$ ')}$", parsing_timeout=_SECONDS) for text in (one, other))
    return bool(first and second) and any(  # it tells a right answer from the other, so either may be that
        maths.verify(*pair, timeout_seconds=_SECONDS) for pair in ((first, second), (second, first))
    )
