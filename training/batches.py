"""Endless batches of tries, the same for the same seed, from easy problems to the whole range."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training import vocabulary
from training.tasks import Problem, Task
from training.trie import FlatTrie, ancestor_mask, build
from training.units import Unit, units

POOL = 96  # problems drawn at once, so that a batch can hold problems of about one length


Mixture = tuple[tuple[Task, float], ...]
"""Tasks, and how often each is drawn against the others."""


@dataclass(frozen=True)
class Lesson:
    """Until step `until`, problems come from this mixture."""

    until: int
    tasks: Mixture


@dataclass(frozen=True)
class Batch:
    """Padded tries: tokens, positions and ends (batch, N); mask (batch, 1, N, N).

    `sources` and `targets` list every learned edge of every trie: the flat index of the token whose logits
    predict, and the token id predicted. `weights` (one an edge) scales its loss.
    """

    tokens: Tensor
    positions: Tensor
    mask: Tensor
    sources: Tensor
    targets: Tensor
    weights: Tensor


def problem_units(problem: Problem, mode: str) -> list[Unit]:
    """The units of a problem's worked solution; `mode` is "parallel" or "sequential"."""
    prompt = vocabulary.prompt(problem.question)
    if mode == "parallel":
        return units(prompt, problem.trajectory.parallel())
    return units(prompt, problem.trajectory.sequential())


def collate(tries: Sequence[FlatTrie], trie_weights: Sequence[float] | None = None) -> Batch:
    """Tries of about one length, padded to the longest; padding sees only itself and is never learned."""
    length = max(len(trie) for trie in tries)
    tokens = torch.full((len(tries), length), vocabulary.END_ID)
    positions = torch.zeros((len(tries), length), dtype=torch.long)
    ends = torch.arange(1, length + 1).repeat(len(tries), 1)
    sources, targets, weights = [], [], []
    for row, trie in enumerate(tries):
        size = len(trie)
        tokens[row, :size] = torch.tensor(trie.tokens)
        positions[row, :size] = torch.tensor(trie.positions)
        ends[row, :size] = torch.tensor(trie.ends)
        edges = [i for i, learned in enumerate(trie.learned) if learned]
        sources += [row * length + trie.parents[i] for i in edges]
        targets += [trie.tokens[i] for i in edges]
        weights += [1.0 if trie_weights is None else trie_weights[row]] * len(edges)
    return Batch(
        tokens,
        positions,
        ancestor_mask(ends),
        torch.tensor(sources, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        torch.tensor(weights),
    )


def batches(lessons: Sequence[Lesson], mode: str, tokens: int, seed: int, start: int = 0) -> Iterator[Batch]:
    """Batch `start`, `start + 1`, … of at most `tokens` padded tokens each; a long trie is one alone."""
    step = 0
    for _, groups in pools(lessons, mode, tokens, seed):
        for group in groups:
            if step >= start:
                yield collate(group)
            step += 1


def pools(
    lessons: Sequence[Lesson], mode: str, tokens: int, seed: int
) -> Iterator[tuple[list[Problem], list[list[FlatTrie]]]]:
    """Problems as they are drawn, `POOL` at a time, and their tries in groups, one a step.

    Each pool has a seed of its own, so that a run that resumes sees what it would have seen.
    """
    step, pool = 0, 0
    while True:
        rng = random.Random(f"{seed}/{pool}")
        lesson = next((lesson for lesson in lessons if step < lesson.until), lessons[-1])
        tasks, chances = zip(*lesson.tasks, strict=True)
        drawn = [task.sample(rng) for task in rng.choices(tasks, chances, k=POOL)]
        groups = grouped([build(problem_units(problem, mode)) for problem in drawn], tokens)
        rng.shuffle(groups)
        yield drawn, groups
        step += len(groups)
        pool += 1


def grouped(tries: Sequence[FlatTrie], tokens: int) -> list[list[FlatTrie]]:
    """Tries in groups of like length, each within `tokens` when padded."""
    groups: list[list[FlatTrie]] = []
    for trie in sorted(tries, key=len):
        if groups and (len(groups[-1]) + 1) * len(trie) <= tokens:
            groups[-1].append(trie)
        else:
            groups.append([trie])
    return groups
