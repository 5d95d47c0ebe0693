"""Sums and differences of products: one thread a product, the running total on the main line."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.tasks.factors import THREE_BY_TWO, Factors
from training.tasks.problem import COMPUTE, Problem, worded
from training.tasks.trajectory import Fork, Thread, Trajectory
from training.tasks.working import product, signed_addition


@dataclass(frozen=True)
class SumsOfProducts:
    """`a*b + c*d - …`; half of the problems have plus signs alone."""

    min_terms: int = 2
    max_terms: int = 6
    factors: Factors = THREE_BY_TWO
    name: str = "sums"

    def sample(self, rng: random.Random) -> Problem:
        terms = rng.randint(self.min_terms, self.max_terms)
        pairs = [self.factors.pair(rng) for _ in range(terms)]
        differences = rng.random() < 0.5
        signs = [1, *(rng.choice((1, -1)) if differences else 1 for _ in pairs[1:])]
        return sum_of_products(rng, pairs, signs, self.name)


def sum_of_products(rng: random.Random, pairs: list[tuple[int, int]], signs: list[int], task: str) -> Problem:
    """The problem `sum of signs[i] * pairs[i][0] * pairs[i][1]`, worked out; the first sign is plus."""
    expression = "".join(
        f"{'' if i == 0 else ' + ' if sign > 0 else ' - '}{a}*{b}"
        for i, ((a, b), sign) in enumerate(zip(pairs, signs, strict=True))
    )
    values = [sign * a * b for (a, b), sign in zip(pairs, signs, strict=True)]
    fork = Fork(tuple(Thread(f"{a}*{b}", product(a, b)) for a, b in pairs))
    trajectory = Trajectory((fork, *running_total(values)), str(sum(values)))
    return Problem(task, len(pairs), worded(rng, COMPUTE, expression), str(sum(values)), trajectory)


def running_total(values: list[int]) -> list[str]:
    """One line a step: `1+2: …`, then `+3: …`, each adding the result of the thread of that number."""
    lines, total = [], values[0]
    for number, value in enumerate(values[1:], start=2):
        sign = "+" if value >= 0 else "-"
        first = "1" if number == 2 else ""
        lines.append(f"{first}{sign}{number}: {signed_addition(total, value)}")
        total += value
    return lines
