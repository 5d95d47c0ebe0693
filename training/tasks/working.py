"""The written-out arithmetic: every token is a copy of a near digit or one look-up in a small table.

A model of a million parameters cannot multiply in its head, but it can do what a school child does on
paper. So a product is written row by row, one digit product with its carry at a time, and a sum is written
from the units upwards, each number padded to `WIDTH` digits, so that the two digits that meet always stand
at the same distance from the digit that they give.
"""

from __future__ import annotations

WIDTH = 6
LIMIT = 10**WIDTH  # every value of every step stays below this


def padded(value: int) -> str:
    """`value` as WIDTH digits; ValueError where it does not fit."""
    if not 0 <= value < LIMIT:
        raise ValueError(f"{value} does not fit into {WIDTH} digits")
    return f"{value:0{WIDTH}d}"


def units_first(value: int) -> str:
    """WIDTH digits from the units upwards: the order in which a sum is worked out."""
    return padded(value)[::-1]


def row(number: int, digit: int, zeros: int = 0) -> str:
    """`number` times one digit, then times 10**zeros: `7*6+0=42 4*6+4=28: 000282`."""
    steps, carry = [], 0
    for place in reversed(str(number)):
        value = int(place) * digit + carry
        steps.append(f"{place}*{digit}+{carry}={value:02d}")
        carry = value // 10
    return f"{' '.join(steps)}: {padded(number * digit * 10**zeros)}"


def addition(left: int, right: int) -> str:
    """`004042+001116=851500`: the result stands units first."""
    return f"{padded(left)}+{padded(right)}={units_first(left + right)}"


def subtraction(left: int, right: int) -> str:
    """`005158-001798=063300`; where it drops below zero (a last digit of 9), the swapped one follows."""
    first = f"{padded(left)}-{padded(right)}={units_first((left - right) % LIMIT)}"
    if left >= right:
        return first
    return f"{first} {padded(right)}-{padded(left)}={units_first(right - left)} neg"


def signed_addition(left: int, right: int) -> str:
    """`left + right` for any signs, `neg` after a result below zero; magnitudes stay below `LIMIT`."""
    if left < 0 and right < 0:
        return f"{addition(-left, -right)} neg"
    if left < 0:
        return subtraction(right, -left)
    return addition(left, right) if right >= 0 else subtraction(left, -right)


def comparison(left: int, right: int) -> str:
    """`004042 001116 ==>`: a sign for every place from the top, up to the first that differs."""
    signs = ""
    for a, b in zip(padded(left), padded(right), strict=True):
        signs += "=" if a == b else "<" if a < b else ">"
        if a != b:
            break
    return f"{padded(left)} {padded(right)} {signs}"


def product(left: int, right: int) -> str:
    """`left*right` with one row a digit of the shorter factor and the sum of the rows; ends padded.

    It begins as the question has it, and is turned round behind that: `6*66 66*6; …`. A model that has both
    factors before it tells the longer one; asked to begin with it, it took one factor twice.
    """
    top, bottom = longer_first(left, right)
    digits = [int(digit) for digit in reversed(str(bottom))]
    total = top * digits[0]
    turned = "" if top == left else f" {top}*{bottom}"
    text = f"{left}*{right}{turned}; {row(top, digits[0])}"
    for zeros, digit in enumerate(digits[1:], start=1):
        value = top * digit * 10**zeros
        text += f"; {row(top, digit, zeros)}"
        text += f"; {addition(total, value)}"
        total += value
        text += f": {padded(total)}"
    return text


def longer_first(left: int, right: int) -> tuple[int, int]:
    """The factor with more digits first: fewer rows; an equal count keeps the order."""
    return (left, right) if len(str(left)) >= len(str(right)) else (right, left)
