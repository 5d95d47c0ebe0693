"""Supervised training: repeatable, resumable, and able to learn."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training.batches import Lesson, batches, grouped, problem_units  # noqa: E402
from training.decode import greedy  # noqa: E402
from training.model import Llama, Shape  # noqa: E402
from training.recipes import STAGES  # noqa: E402
from training.sft import Recipe, train  # noqa: E402
from training.tasks import OneStep, Products, problems  # noqa: E402
from training.trie import build  # noqa: E402
from training.vocabulary import END_ID, encode  # noqa: E402

pytestmark = pytest.mark.train

LESSONS = (Lesson(4, ((OneStep(), 1.0),)), Lesson(99, ((OneStep(), 0.5), (Products(), 0.5))))
TINY = Recipe(
    mode="parallel",
    steps=8,
    plateau=4,
    matrix_rate=0.01,
    vector_rate=0.003,
    lessons=LESSONS,
    batch_tokens=400,
    shape=Shape(hidden=32, layers=1, heads=2, inner=48),
)


def weights(model: Llama) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


class Killed(Exception):
    pass


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole = train(TINY, tmp_path / "whole", lambda _: None, save_every=3)

    def kill(progress: object) -> None:
        if getattr(progress, "step", 0) == 5:
            raise Killed

    with pytest.raises(Killed):
        train(TINY, tmp_path / "cut", kill, save_every=3)
    resumed = train(TINY, tmp_path / "cut", lambda _: None, save_every=3)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_run_can_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    first = train(TINY, tmp_path / "first", lambda _: None)
    still = dataclasses.replace(TINY, steps=1, plateau=0, matrix_rate=0.0, vector_rate=0.0, mode="sequential")
    second = train(
        still, tmp_path / "second", lambda _: None, begin_with=tmp_path / "first" / "checkpoint.pt"
    )
    assert torch.equal(weights(first), weights(second))


def test_the_loss_falls_and_is_logged(tmp_path: Path) -> None:
    seen: list[float] = []
    recipe = dataclasses.replace(TINY, steps=60, plateau=50, lessons=(Lesson(60, ((OneStep(), 1.0),)),))
    train(recipe, tmp_path, lambda progress: seen.append(progress.loss))
    assert sum(seen[-5:]) < 0.7 * sum(seen[:5])
    logged = [json.loads(line) for line in (tmp_path / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in logged] == [20, 40, 60]


def test_batches_are_the_same_for_the_same_seed_and_can_start_anywhere() -> None:
    whole = [b.tokens for b in itertools.islice(batches(LESSONS, "parallel", 3000, seed=3), 12)]
    late = [b.tokens for b in itertools.islice(batches(LESSONS, "parallel", 3000, seed=3, start=5), 7)]
    assert all(torch.equal(a, b) for a, b in zip(whole[5:], late, strict=True))


def test_grouping_loses_no_trie_and_keeps_the_budget() -> None:
    tries = [build(problem_units(p, "parallel")) for p in itertools.islice(problems(Products(), 1), 40)]
    groups = grouped(tries, 2000)
    assert sorted(id(t) for group in groups for t in group) == sorted(id(t) for t in tries)
    assert all(len(group) == 1 or len(group) * max(map(len, group)) <= 2000 for group in groups)


@pytest.mark.parametrize("stage", STAGES)
def test_rates_rise_hold_and_fall_to_nothing(stage: str) -> None:
    recipe = STAGES[stage]()
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert rates[0] < 0.02
    assert max(rates) <= 1
    assert rates[-1] < 0.02
    after = rates[max(recipe.plateau, recipe.warm_up) :]
    assert after == sorted(after, reverse=True)


def test_cached_decoding_of_a_batch_says_what_decoding_alone_and_uncached_says() -> None:
    torch.manual_seed(2)
    model = Llama(Shape(hidden=32, layers=2, heads=2, inner=48)).eval()
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.3)
    prompts = [encode(text) for text in ("1+2=", "What is 3*4?", "a")]
    for prompt, found in zip(prompts, greedy(model, prompts, frozenset(), 12), strict=True):
        tokens = list(prompt)
        while len(tokens) < len(prompt) + 12 and (len(tokens) == len(prompt) or tokens[-1] != END_ID):
            with torch.no_grad():
                hidden = model(torch.tensor([tokens]), torch.arange(len(tokens))[None], None)
            tokens.append(int(model.logits(hidden)[0, -1].argmax()))
        assert found == tokens[len(prompt) :]
