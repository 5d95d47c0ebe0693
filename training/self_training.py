"""Self-training: run the model on new problems, keep what is right and well-formed, train on it."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training.batches import Batch, collate, grouped
from training.model import Llama
from training.rollouts import roll_out
from training.sft import edge_losses
from training.tasks import Problem, Task, problems
from training.trie import build
from training.units import units
from training.vocabulary import prompt


@dataclass(frozen=True)
class Kept:
    """A run that passed the filter: what training needs of it."""

    question: str
    text: str


@dataclass(frozen=True)
class Harvest:
    """How many runs were made, and how many were right, well-formed, and both (those are kept)."""

    runs: int
    correct: int
    well_formed: int
    kept: list[Kept]


def harvest(model: Llama, tasks: Sequence[Task], count: int, seed: int, temperature: float = 0.7) -> Harvest:
    """One run on each of `count` problems a task, by the project's own runtime and engine."""
    asked: list[Problem] = []
    for task in tasks:
        asked += itertools.islice(problems(task, seed), count)
    results = [
        runs[0] for runs in roll_out(model, [p.question for p in asked], temperature=temperature, seed=seed)
    ]
    judged = [(r, r.answer == p.answer, r.well_formed) for p, r in zip(asked, results, strict=True)]
    return Harvest(
        runs=len(judged),
        correct=sum(correct for _, correct, _ in judged),
        well_formed=sum(formed for _, _, formed in judged),
        kept=[Kept(r.problem, r.text) for r, correct, formed in judged if correct and formed],
    )


def train_on(
    model: Llama,
    kept: Sequence[Kept],
    *,
    epochs: int = 1,
    rate: float = 1e-4,
    batch_tokens: int = 3072,
    seed: int = 1,
    report: Callable[[float], None],
) -> None:
    """Supervised steps on kept runs, in place; `report` gets the mean loss of each step in nats a token."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    model.train()
    for epoch in range(epochs):
        for batch in _batches(kept, batch_tokens, random.Random(f"{seed}/{epoch}")):
            with torch.autocast(batch.tokens.device.type, torch.bfloat16):
                loss = edge_losses(model, batch).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            report(loss.item())
    model.eval()


def write(kept: Sequence[Kept], path: Path) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps({"question": k.question, "text": k.text}) + "\n" for k in kept))


def read(path: Path) -> list[Kept]:
    return [Kept(**json.loads(line)) for line in path.read_text().splitlines()]


def _batches(kept: Sequence[Kept], tokens: int, rng: random.Random) -> Iterator[Batch]:
    groups = grouped([build(units(prompt(k.question), k.text)) for k in kept], tokens)
    rng.shuffle(groups)
    return map(collate, groups)
