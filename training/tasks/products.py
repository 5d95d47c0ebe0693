"""Products of three or four factors: pairs first, then the rows of the last product side by side."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.tasks.factors import THREE_BY_TWO, Factors
from training.tasks.problem import COMPUTE, Problem, worded
from training.tasks.sums import running_total
from training.tasks.trajectory import Fork, Thread, Trajectory
from training.tasks.working import longer_first, product, row


@dataclass(frozen=True)
class Products:
    """`a*b*c` or `a*b*c*d`, factors from 1 on, the whole product under `below`."""

    min_factors: int = 3
    max_factors: int = 4
    factors: Factors = THREE_BY_TWO
    below: int = 1_000_000
    name: str = "products"

    def sample(self, rng: random.Random) -> Problem:
        count = rng.randint(self.min_factors, self.max_factors)
        while True:
            numbers = [max(1, self.factors.one(rng)) for _ in range(count)]
            whole = 1
            for number in numbers:
                whole *= number
            if 100 <= whole < self.below:
                break
        return product_of(rng, numbers, self.name)


def product_of(rng: random.Random, numbers: list[int], task: str) -> Problem:
    """The product of three or four numbers above zero, worked out; ValueError from a million on."""
    if len(numbers) not in (3, 4):
        raise ValueError(f"three or four factors, not {len(numbers)}")
    a, b, *rest = numbers
    steps: list[str | Fork] = []
    if len(rest) == 1:
        steps.append(product(a, b))
        right = rest[0]
    else:
        steps.append(Fork(tuple(Thread(f"{x}*{y}", product(x, y)) for x, y in ((a, b), (rest[0], rest[1])))))
        right = rest[0] * rest[1]
    answer = a * b * right
    steps += last_product(*longer_first(a * b, right))
    question = worded(rng, COMPUTE, "*".join(map(str, numbers)))
    return Problem(task, len(numbers), question, str(answer), Trajectory(tuple(steps), str(answer)))


def last_product(top: int, bottom: int) -> list[str | Fork]:
    """`top*bottom` with one thread a row; a single row stays on the main line, for a fork would not pay."""
    digits = [int(digit) for digit in reversed(str(bottom))]
    if len(digits) == 1:
        return [product(top, bottom)]
    rows = [
        Thread(f"{top}*{digit}*{10**zeros}", f"{top}*{digit}*{10**zeros}; {row(top, digit, zeros)}")
        for zeros, digit in enumerate(digits)
    ]
    values = [top * digit * 10**zeros for zeros, digit in enumerate(digits)]
    return [f"{top}*{bottom}", Fork(tuple(rows)), *running_total(values)]
