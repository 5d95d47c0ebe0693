"""Seeded generators of verifiable problems with written-out solutions.

Every task is a frozen dataclass of its ranges with one method, `sample(rng) -> Problem`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from training.tasks.extremes import Extremes
from training.tasks.factors import Between, ByDigits, Factors
from training.tasks.one_step import OneStep
from training.tasks.problem import Problem
from training.tasks.products import Products
from training.tasks.sums import SumsOfProducts
from training.tasks.trajectory import Fork, Thread, Trajectory


class Task(Protocol):
    """A generator of problems: the same state of `rng` gives the same problem."""

    @property
    def name(self) -> str: ...

    def sample(self, rng: random.Random) -> Problem: ...


_RANGE: tuple[Task, ...] = (
    SumsOfProducts(),
    Products(min_factors=4, factors=Between(10, 99)),
    Extremes(),
    OneStep(),
)

TASKS: dict[str, Task] = {task.name: task for task in _RANGE}
"""The tasks in the range that the packaged model is right on."""


def problems(task: Task, seed: int) -> Iterator[Problem]:
    """An endless stream of problems; the seed and the task's name decide it."""
    rng = random.Random(f"{task.name}/{seed}")
    while True:
        yield task.sample(rng)


__all__ = [
    "TASKS",
    "Between",
    "ByDigits",
    "Extremes",
    "Factors",
    "Fork",
    "OneStep",
    "Problem",
    "Products",
    "SumsOfProducts",
    "Task",
    "Thread",
    "Trajectory",
    "problems",
]
