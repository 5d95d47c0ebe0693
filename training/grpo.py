"""P-GRPO: reinforcement that pays for right answers first, and a little for short critical paths.

Reward and advantage follow Lian et al. (arXiv 2512.07843): r = 1{correct} + 1{correct}·min(ρη, ρ_clip), and
A = r - mean of the group, not divided by its standard deviation. Every batch is used for one update, straight
after its rollouts, so that the ratio of new to old probabilities is 1 and needs no clipping.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from training.batches import collate
from training.model import Llama
from training.rollouts import roll_out, run_units
from training.sft import edge_losses
from training.tasks import Problem, Task, problems
from training.trie import FlatTrie, build
from weaver_sdk.result import Result


@dataclass(frozen=True)
class Reward:
    """ρ (`weight`) and ρ_clip (`most`) of the part that pays for parallel work."""

    weight: float = 0.5
    most: float = 0.2

    def of(self, result: Result, problem: Problem) -> float:
        if result.answer != problem.answer:
            return 0.0
        return 1.0 + min(self.weight * result.telemetry.acceleration_ratio, self.most)


def advantages(rewards: Sequence[float], *, divide: bool = False) -> list[float]:
    """Rewards less their mean; with `divide`, over their standard deviation too (what the paper warns of)."""
    mean = statistics.fmean(rewards)
    spread = statistics.pstdev(rewards) if divide else 1.0
    return [(reward - mean) / (spread + 1e-6 if divide else 1.0) for reward in rewards]


@dataclass(frozen=True)
class Plan:
    """One reinforcement run: `iterations` updates, each of `groups` problems with `group` rollouts."""

    iterations: int = 20
    groups: int = 12
    group: int = 8
    temperature: float = 1.0
    rate: float = 1e-4
    batch_tokens: int = 6000
    divide: bool = False
    seed: int = 1


@dataclass(frozen=True)
class Iteration:
    """Means over all rollouts of one iteration."""

    iteration: int
    reward: float
    accuracy: float
    acceleration_ratio: float
    well_formed: float


def reinforce(
    model: Llama, tasks: Sequence[Task], plan: Plan, folder: Path, report: Callable[[Iteration], None]
) -> None:
    """Trains `model` in place; goes on from `folder/grpo.pt`, which is written after every iteration."""
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.95), weight_decay=0.0)
    saved, start = folder / "grpo.pt", 0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["iteration"])
    for iteration in range(start, plan.iterations):
        asked = _problems(tasks, plan, iteration)
        groups = roll_out(
            model,
            [problem.question for problem in asked],
            samples=plan.group,
            temperature=plan.temperature,
            seed=plan.seed * 1_000_000 + iteration * plan.groups * plan.group,
        )
        _update(model, optimiser, _weighted_tries(asked, groups, plan), plan)
        torch.save(
            {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "iteration": iteration + 1},
            saved.with_suffix(".new"),
        )
        saved.with_suffix(".new").replace(saved)
        summary = _summary(iteration + 1, asked, groups)
        with (folder / "grpo.jsonl").open("a") as log:
            log.write(json.dumps(asdict(summary)) + "\n")
        report(summary)


def _problems(tasks: Sequence[Task], plan: Plan, iteration: int) -> list[Problem]:
    streams = [problems(task, plan.seed * 10_000 + iteration) for task in tasks]
    return list(itertools.islice((next(s) for s in itertools.cycle(streams)), plan.groups))


def _weighted_tries(
    asked: Sequence[Problem], groups: Sequence[Sequence[Result]], plan: Plan
) -> list[tuple[FlatTrie, float]]:
    """One trie a rollout with one advantage for all of its tokens; rollouts at the mean teach nothing."""
    reward = Reward()
    weighted = []
    for problem, results in zip(asked, groups, strict=True):
        worth = advantages([reward.of(result, problem) for result in results], divide=plan.divide)
        weighted += [
            (build(run_units(result)), advantage)
            for result, advantage in zip(results, worth, strict=True)
            if advantage and run_units(result)
        ]
    return weighted


def _update(
    model: Llama, optimiser: torch.optim.Optimizer, weighted: list[tuple[FlatTrie, float]], plan: Plan
) -> None:
    """One step on the mean over tokens of advantage times negative log probability."""
    if not weighted:
        return
    weighted.sort(key=lambda pair: len(pair[0]))
    learned = sum(sum(trie.learned) for trie, _ in weighted)
    model.train()
    while weighted:
        longest = len(weighted[-1][0])
        part = [weighted.pop() for _ in range(min(len(weighted), max(1, plan.batch_tokens // longest)))]
        batch = collate([trie for trie, _ in part], [advantage for _, advantage in part])
        with torch.autocast(batch.tokens.device.type, torch.bfloat16):
            loss = (edge_losses(model, batch) * batch.weights).sum() / learned
        loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    model.eval()


def _summary(iteration: int, asked: Sequence[Problem], groups: Sequence[Sequence[Result]]) -> Iteration:
    runs = [(p, r) for p, results in zip(asked, groups, strict=True) for r in results]
    reward = Reward()
    return Iteration(
        iteration,
        reward=statistics.fmean(reward.of(r, p) for p, r in runs),
        accuracy=statistics.fmean(r.answer == p.answer for p, r in runs),
        acceleration_ratio=statistics.fmean(r.telemetry.acceleration_ratio for _, r in runs),
        well_formed=statistics.fmean(r.well_formed for _, r in runs),
    )
