"""Problems of one step, where a fork would cost more than it saves: none of their solutions forks."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.tasks.extremes import WORDINGS, listed
from training.tasks.factors import THREE_BY_TWO, Factors, with_digits
from training.tasks.problem import COMPUTE, Problem, worded
from training.tasks.trajectory import Trajectory
from training.tasks.working import comparison, product, signed_addition


@dataclass(frozen=True)
class OneStep:
    """One product, one sum or difference, or the larger or smaller of two numbers.

    `plain` is the most digits of the numbers that are added or compared.
    """

    factors: Factors = THREE_BY_TWO
    plain: int = 5
    name: str = "one-step"

    def sample(self, rng: random.Random) -> Problem:
        kind = rng.choice(("product", "product", "sum", "sum", "extreme"))
        if kind == "product":
            return self._product(rng)
        left, right = (with_digits(rng, rng.randint(1, self.plain)) for _ in range(2))
        return self._sum(rng, left, right) if kind == "sum" else self._extreme(rng, left, right)

    def _product(self, rng: random.Random) -> Problem:
        a, b = self.factors.pair(rng)
        return self._problem(worded(rng, COMPUTE, f"{a}*{b}"), a * b, product(a, b))

    def _sum(self, rng: random.Random, left: int, right: int) -> Problem:
        sign = rng.choice((1, -1))
        question = worded(rng, COMPUTE, f"{left} {'+' if sign > 0 else '-'} {right}")
        return self._problem(question, left + sign * right, signed_addition(left, sign * right))

    def _extreme(self, rng: random.Random, left: int, right: int) -> Problem:
        kind = rng.choice(("max", "min"))
        question = worded(rng, WORDINGS[kind], listed(rng, [str(left), str(right)]))
        value = max(left, right) if kind == "max" else min(left, right)
        return self._problem(question, value, f"{kind}: {comparison(left, right)}")

    def _problem(self, question: str, answer: int, step: str) -> Problem:
        return Problem(self.name, 1, question, str(answer), Trajectory((step,), str(answer)))
