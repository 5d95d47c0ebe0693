"""Accuracy of a checkpoint on held-out problems by a batched state machine in torch.

The figures that are published come from the real runtime on the real engine; this is the fast look at a
model in training.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from training.decode import greedy
from training.model import Llama
from training.tasks import Problem, Task, problems
from training.vocabulary import END, decode, encode, prompt

HELD_OUT = 1_000_003
"""The seed of held-out problems: a stream that training does not draw from. Short ones can still recur."""

_ANSWER = re.compile(r"\\boxed\{(-?\d+)\}")
_OUTLINE = re.compile(r"<Outline>(\d+):")


@dataclass(frozen=True)
class Outcome:
    """One run: the trajectory as text, whether the answer and whether every single token was right."""

    problem: Problem
    text: str
    correct: bool
    exact: bool


def held_out(task: Task, count: int) -> list[Problem]:
    return list(itertools.islice(problems(task, HELD_OUT), count))


def run(model: Llama, batch: Sequence[Problem], mode: str, max_tokens: int = 1200) -> list[Outcome]:
    """Runs all problems at once; `mode` is "parallel" (the state machine) or "sequential" (plain)."""
    texts = ["" for _ in batch]
    open_rows = list(range(len(batch)))
    stops = frozenset(encode("</Outlines>")) if mode == "parallel" else frozenset()
    while open_rows:
        contexts = [encode(prompt(batch[row].question) + texts[row]) for row in open_rows]
        written = [decode(ids) for ids in greedy(model, contexts, stops, max_tokens)]
        forked = []
        for row, text in zip(open_rows, written, strict=True):
            texts[row] += text
            if text.endswith("</Outlines>") and len(texts[row]) < 4000:
                forked.append(row)
        open_rows = forked
        _fork(model, batch, texts, forked, max_tokens)
    return [_judged(problem, text, mode) for problem, text in zip(batch, texts, strict=True)]


def _fork(
    model: Llama, batch: Sequence[Problem], texts: list[str], rows: Sequence[int], max_tokens: int
) -> None:
    """Runs the threads of all forks at once and joins them into `texts`."""
    seeds = [
        (row, f"<Thread>\n{number}:")
        for row in rows
        for number in _OUTLINE.findall(texts[row].rpartition("<Outlines>")[2])
    ]
    contexts = [encode(f"{prompt(batch[row].question)}{texts[row]}\n{seed}") for row, seed in seeds]
    ended = frozenset(encode("</Thread>"))
    bodies = [decode(ids) for ids in greedy(model, contexts, ended, max_tokens)] if contexts else []
    for row in rows:
        threads = (seed + body for (owner, seed), body in zip(seeds, bodies, strict=True) if owner == row)
        texts[row] += "\n" + "".join(threads) + "\n"


def _judged(problem: Problem, text: str, mode: str) -> Outcome:
    text = text.removesuffix(END)
    answers = _ANSWER.findall(text)
    worked = problem.trajectory.parallel() if mode == "parallel" else problem.trajectory.sequential()
    return Outcome(problem, text, bool(answers) and answers[-1] == problem.answer, text == worked)
