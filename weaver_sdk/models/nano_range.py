"""Which questions weaver-nano was trained on. On any other it writes well-formed text with wrong numbers."""

from __future__ import annotations

import re
from math import prod

KNOWS = "sums, products and comparisons of whole numbers"
"""What the model can do, in words."""

_ASKS = r"(?:please )?(?:compute|calculate|evaluate|find|solve|what is|what's) "
_LARGEST = r"max|maximum|largest|larger|greatest|biggest"
_SMALLEST = r"min|minimum|smallest|smaller|least|lowest"
_END = re.compile(r" ?(?:[.?!]|= ?\??)$")
_EXTREME = re.compile(
    rf"(?:the )?(?:{_LARGEST}|{_SMALLEST})(?: of (?P<listed>.+)| ?\((?P<called>.+)\))", re.IGNORECASE
)
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRODUCT = rf"{_NUMBER}(?: ?[*×] ?{_NUMBER})*"
_TERMS = re.compile(rf"{_PRODUCT}(?: ?[+-] ?{_PRODUCT})*")

_FORMS = "it takes products of two numbers each, or two plain numbers"
_MOST_TERMS = 6
_PLAIN_DIGITS = 5
_WHOLE = range(100, 1_000_000)
"""What a product of three or four may come to."""


def outside_range(question: str) -> str | None:
    """Return why a question is outside weaver-nano's range, in words; `None` if it is inside.

    Args:
        question: the user's text, in any of the wordings that the model reads.
    """
    text = " ".join(question.split())
    text = re.sub(f"^{_ASKS}", "", _END.sub("", text), flags=re.IGNORECASE)
    if extreme := _EXTREME.fullmatch(text):
        items = re.split(r" ?, ?(?:and ?)?| ?and ?", extreme["listed"] or extreme["called"])
        if not all(re.fullmatch(_PRODUCT, item) for item in items):
            return _FORMS
        return _outside([_factors(item) for item in items], compared=True)
    if not _TERMS.fullmatch(text):
        return "it is no arithmetic in a form that the model reads"
    return _outside([_factors(term) for term in re.split("[+-]", text)], compared=False)


def _factors(product: str) -> list[str]:
    return re.findall("[0-9]+", product)


def _outside(terms: list[list[str]], *, compared: bool) -> str | None:
    """Return what is wrong with the products that are summed or compared, each a list of its factors."""
    if len(terms) > _MOST_TERMS:
        return f"it has {len(terms)} terms, more than {_MOST_TERMS}"
    widths = [len(factors) for factors in terms]
    if set(widths) == {1}:
        return _outside_plain([number for [number] in terms])
    if set(widths) == {2}:
        if compared and len(terms) < 2:
            return "one number has nothing to be compared with"
        return next(filter(None, (_outside_pair(a, b) for a, b in terms)), None)
    if len(terms) > 1:
        return _FORMS
    return _outside_several(terms[0])


def _outside_plain(numbers: list[str]) -> str | None:
    if len(numbers) != 2:
        return _FORMS
    long = next((number for number in numbers if len(number) > _PLAIN_DIGITS), None)
    return None if long is None else f"{long} has more than {_PLAIN_DIGITS} digits"


def _outside_pair(a: str, b: str) -> str | None:
    shorter, longer = sorted((len(a), len(b)))
    if shorter <= 2 and longer <= 3:
        return None
    return f"{a}*{b} is more than 3 digits by 2"


def _outside_several(factors: list[str]) -> str | None:
    product = "*".join(factors)
    if len(factors) > 4:
        return f"{product} has more than four factors"
    if any(len(factor) > 2 for factor in factors):
        return f"{product} has a factor of more than 2 digits, and of three or four each may have 2"
    if prod(map(int, factors)) not in _WHOLE:
        return f"{product} is below 100 or above 999999, the range for three or four factors"
    return None
