"""The largest or smallest of several products: one thread a product, a running winner on the main line."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.tasks.factors import THREE_BY_TWO, Factors
from training.tasks.problem import Problem, worded
from training.tasks.trajectory import Fork, Thread, Trajectory
from training.tasks.working import comparison, product

WORDINGS = {
    "max": (
        "What is the largest of {}?",
        "Find the maximum of {}.",
        "Compute the greatest of {}.",
        "max({})",
    ),
    "min": ("What is the smallest of {}?", "Find the minimum of {}.", "Compute the least of {}.", "min({})"),
}


@dataclass(frozen=True)
class Extremes:
    """`What is the largest of a*b, c*d and e*f?`; the answer is the value."""

    min_terms: int = 2
    max_terms: int = 6
    factors: Factors = THREE_BY_TWO
    name: str = "extremes"

    def sample(self, rng: random.Random) -> Problem:
        terms = rng.randint(self.min_terms, self.max_terms)
        pairs = [self.factors.pair(rng) for _ in range(terms)]
        kind = rng.choice(("max", "min"))
        return extreme_of(rng, pairs, kind, self.name)


def extreme_of(rng: random.Random, pairs: list[tuple[int, int]], kind: str, task: str) -> Problem:
    """The problem of the largest (`kind` "max") or smallest ("min") product, worked out."""
    fork = Fork(tuple(Thread(f"{a}*{b}", product(a, b)) for a, b in pairs))
    values = [a * b for a, b in pairs]
    answer = str(max(values) if kind == "max" else min(values))
    question = worded(rng, WORDINGS[kind], listed(rng, [f"{a}*{b}" for a, b in pairs]))
    trajectory = Trajectory((fork, *running_winner(values, kind)), answer)
    return Problem(task, len(pairs), question, answer, trajectory)


def running_winner(values: list[int], kind: str) -> list[str]:
    """One line a step: `max 1 2: …`, then `max 3: …`: the winner so far against the next thread's result."""
    lines, winner = [], values[0]
    for number, value in enumerate(values[1:], start=2):
        first = " 1" if number == 2 else ""
        lines.append(f"{kind}{first} {number}: {comparison(winner, value)}")
        winner = max(winner, value) if kind == "max" else min(winner, value)
    return lines


def listed(rng: random.Random, items: list[str]) -> str:
    """`a, b, c` or `a, b and c`."""
    if rng.random() < 0.5:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
