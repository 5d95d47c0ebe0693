"""Where the numbers of a problem come from."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol


class Factors(Protocol):
    """A way to draw factors: `one`, or a `pair` to be multiplied."""

    def one(self, rng: random.Random) -> int: ...

    def pair(self, rng: random.Random) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Between:
    """Every whole number from `low` to `high`, each as likely as the next."""

    low: int
    high: int

    def one(self, rng: random.Random) -> int:
        return rng.randint(self.low, self.high)

    def pair(self, rng: random.Random) -> tuple[int, int]:
        return self.one(rng), self.one(rng)


@dataclass(frozen=True)
class ByDigits:
    """The longer factor of a pair has up to `longer` digits, the shorter up to `shorter`, in either order.

    Of a pair, each further digit is `rising` times as likely as one less, as there are more such numbers;
    with 1, all lengths are alike. A single factor has any number of digits up to `shorter`, each as likely as
    the next, so that a product of several stays small.
    """

    longer: int
    shorter: int
    rising: int = 4

    def one(self, rng: random.Random) -> int:
        return with_digits(rng, rng.randint(1, self.shorter))

    def pair(self, rng: random.Random) -> tuple[int, int]:
        left = with_digits(rng, self._digits(rng, self.longer))
        right = with_digits(rng, self._digits(rng, self.shorter))
        return (left, right) if rng.random() < 0.8 else (right, left)

    def _digits(self, rng: random.Random, most: int) -> int:
        return rng.choices(range(1, most + 1), weights=[self.rising**n for n in range(most)])[0]


THREE_BY_TWO = ByDigits(3, 2)
"""What tasks draw from where nothing else is said."""


def with_digits(rng: random.Random, digits: int) -> int:
    """A number of exactly `digits` digits, each as likely as the next; one digit gives 0 to 9."""
    return rng.randrange(0 if digits == 1 else 10 ** (digits - 1), 10**digits)
