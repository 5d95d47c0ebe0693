"""What a reply answers, and whether two answers are the same."""

from __future__ import annotations

import importlib
import re
from fractions import Fraction

from weaver_sdk.markup import last_box

_FILLER = re.compile(r"\\(?:text|mathrm)\{([^{}]*)\}|\\[,;! ]|\\(?:left|right)\b|\$")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_GROUPS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def answer_of(reply: str) -> str:
    """Return what a reply answers: its last `\\boxed{…}`, else what follows its reasoning, else all of it."""
    return last_box(reply) or reply.rpartition("</think>")[2].strip()


def same_answer(one: str, other: str) -> bool:
    """Return whether two answers are the same: as words, as numbers, and as mathematics.

    Mathematics is compared by math-verify where that is installed.
    """
    plain, plain_other = _plain(one), _plain(other)
    if plain == plain_other:
        return True
    number, number_other = _number(plain), _number(plain_other)
    if number is not None and number_other is not None:
        return number == number_other
    return _verified(one, other)


def _plain(answer: str) -> str:
    """Return an answer without what does not count: case, white space, a full stop, LaTeX's wrappings."""
    text = _FRACTION.sub(r"\1/\2", _FILLER.sub(lambda found: found[1] or "", answer))
    return _GROUPS.sub("", " ".join(text.split())).rstrip(".").casefold()


def _number(plain: str) -> Fraction | None:
    percent = plain.endswith("%")
    try:
        value = Fraction(plain.rstrip("%").replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def _verified(one: str, other: str) -> bool:
    try:
        maths = importlib.import_module("math_verify")
    except ModuleNotFoundError:
        return False
    # its time limits are alarms, which only the main thread can have
    first, second = (maths.parse(f"${text}$", parsing_timeout=None) for text in (one, other))
    return bool(first and second and maths.verify(first, second, timeout_seconds=None))
