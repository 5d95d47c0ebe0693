"""Supervised training of a small model on worked solutions, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.batches import Batch, Lesson, batches
from training.model import Llama, Shape


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run.

    Rates are peak rates: reached after `warm_up` steps, held up to step `plateau`, then falling to zero as
    1 - sqrt(share of the remaining steps done) (Hägele et al. 2024).
    """

    mode: str
    steps: int
    plateau: int
    matrix_rate: float
    vector_rate: float
    lessons: tuple[Lesson, ...]
    batch_tokens: int = 1536
    weight_decay: float = 0.01
    warm_up: int = 100
    seed: int = 1
    shape: Shape = field(default_factory=Shape)

    def rate(self, step: int) -> float:
        """The factor on the peak rates at `step`."""
        fallen = max(0, step - self.plateau) / (self.steps - self.plateau)
        return min((step + 1) / self.warm_up, 1 - math.sqrt(fallen))


def edge_losses(model: Llama, batch: Batch) -> Tensor:
    """Cross entropy of every learned edge, in nats: the target from the logits of its parent in the trie."""
    hidden = model(batch.tokens, batch.positions, batch.mask)
    logits = model.logits(hidden.flatten(0, 1)[batch.sources])
    return functional.cross_entropy(logits.float(), batch.targets, reduction="none")


class Optimiser:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms, one schedule for both."""

    def __init__(self, model: Llama, recipe: Recipe) -> None:
        matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
        others = [p for p in model.parameters() if not any(p is m for m in matrices)]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.Muon(
                    matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="original"
                ),
                recipe.matrix_rate,
            ),
            (
                torch.optim.AdamW(others, lr=recipe.vector_rate, betas=(0.9, 0.95), weight_decay=0.0),
                recipe.vector_rate,
            ),
        ]

    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rates; gradients are cleared."""
        for optimiser, peak in self.parts:
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser, _ in self.parts]

    def load(self, states: list[dict[str, object]]) -> None:
        for (optimiser, _), state in zip(self.parts, states, strict=True):
            optimiser.load_state_dict(state)


@dataclass(frozen=True)
class Progress:
    """Reported after each step: mean loss in nats a learned token, tokens a second since the start."""

    step: int
    loss: float
    tokens_per_second: float


def train(
    recipe: Recipe,
    folder: Path,
    report: Callable[[Progress], None],
    *,
    begin_with: Path | None = None,
    save_every: int = 500,
) -> Llama:
    """Trains to `recipe.steps`; goes on from `folder/checkpoint.pt` where there is one.

    `begin_with` is a checkpoint of another run, whose weights and momenta a new run starts from.

    Writes the checkpoint every `save_every` steps and one line of `folder/loss.jsonl` every 20.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model = Llama(recipe.shape)
    optimiser = Optimiser(model, recipe)
    start = resume(folder / "checkpoint.pt", model, optimiser)
    if start == 0 and begin_with is not None:
        resume(begin_with, model, optimiser)
    stream = batches(recipe.lessons, recipe.mode, recipe.batch_tokens, recipe.seed, start)
    for progress in _steps(recipe, model, optimiser, stream, start):
        if progress.step % 20 == 0:
            with (folder / "loss.jsonl").open("a") as log:
                log.write(json.dumps(asdict(progress)) + "\n")
        if progress.step % save_every == 0 or progress.step == recipe.steps:
            save(folder, model, optimiser, progress.step)
        report(progress)
    return model


def _steps(
    recipe: Recipe, model: Llama, optimiser: Optimiser, stream: Iterator[Batch], start: int
) -> Iterator[Progress]:
    model.train()
    began, seen = time.perf_counter(), 0
    for step in range(start, recipe.steps):
        batch = next(stream)
        with torch.autocast(batch.tokens.device.type, torch.bfloat16):
            loss = edge_losses(model, batch).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(recipe.rate(step))
        seen += batch.tokens.numel()
        yield Progress(step + 1, loss.item(), seen / (time.perf_counter() - began))


def save(folder: Path, model: Llama, optimiser: Optimiser, step: int) -> None:
    """Writes `checkpoint.pt` in one move, so that a kill never leaves half a file."""
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state(),
        "step": step,
        "shape": asdict(model.shape),
    }
    torch.save(state, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def resume(path: Path, model: Llama, optimiser: Optimiser) -> int:
    """Loads the checkpoint if it exists; the number of steps done so far."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load(state["optimiser"])
    return int(state["step"])


def save_model(model: Llama, path: Path) -> None:
    """Writes the weights alone, as a later stage leaves them."""
    torch.save({"model": model.state_dict(), "shape": asdict(model.shape)}, path)


def load_model(path: Path) -> Llama:
    """The model of a checkpoint or of a file by `save_model`, in evaluation mode."""
    state = torch.load(path, weights_only=True)
    model = Llama(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model.eval()
