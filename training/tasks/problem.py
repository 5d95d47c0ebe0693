"""What a task gives: a question, its answer, and a worked solution."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.tasks.trajectory import Trajectory


@dataclass(frozen=True)
class Problem:
    """`task` names the generator, `terms` is the number of independent pieces of work in the question."""

    task: str
    terms: int
    question: str
    answer: str
    trajectory: Trajectory


def worded(rng: random.Random, wordings: Sequence[str], expression: str) -> str:
    """`expression` in one of the wordings (each holds one `{}`), with the spacing and the cross varied."""
    style = rng.random()
    if style < 0.15:
        expression = expression.replace(" ", "")
    elif style < 0.3:
        expression = expression.replace("*", " * ")
    elif style < 0.4:
        expression = expression.replace("*", "×")
    return rng.choice(wordings).format(expression)


COMPUTE = (
    "Compute {}",
    "Compute {}.",
    "What is {}?",
    "Find {}",
    "Calculate {}.",
    "Evaluate {}.",
    "{}",
    "{} = ?",
)
