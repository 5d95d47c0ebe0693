"""Strategies that are programs, on a real model: many attempts at one question are one prefill."""

from __future__ import annotations

import pytest

from tests.engines.completions import story
from weaver_sdk import ParallelReasoner
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.models import LocalModel, smollm2
from weaver_sdk.options import Budget, Sampling
from weaver_sdk.result import Fork, Result
from weaver_sdk.strategies.best_of import BestOf
from weaver_sdk.strategies.plan_and_solve import PlanAndSolve
from weaver_sdk.strategies.strategy import Strategy
from weaver_sdk.strategies.voting import Voting

N = 4
WARM = Sampling(temperature=0.8, seed=7)


async def solve(model: LocalModel | None, strategy: Strategy, problem: str) -> Result:
    engine = LlamaServer(model, slots=N)
    async with ParallelReasoner(engine=engine, strategy=strategy, sampling=WARM) as reasoner:
        return await reasoner.solve(problem, budget=Budget(thread_tokens=300, total_tokens=2000))


def question(seed: int) -> str:
    """A long one, which nobody has asked before."""
    return f"{story(120, seed=seed)}\nWho is in the story? Answer in a few words."


def check_one_prefill(result: Result) -> None:
    """All attempts but one had their prompt in the cache; those that were cancelled do not tell."""
    [fork] = [part for part in result.trace if isinstance(part, Fork)]
    prompts = [thread.prompt_tokens for thread in fork.threads if thread.prompt_tokens is not None]
    cached = [thread.cached_prompt_tokens or 0 for thread in fork.threads if thread.prompt_tokens is not None]
    assert len(prompts) >= 2
    assert min(prompts) > 100
    assert sum(prompt - known > 8 for prompt, known in zip(prompts, cached, strict=True)) <= 1


async def test_a_vote_is_one_prefill() -> None:
    result = await solve(smollm2(), Voting(n=N), question(31))
    assert result.strategy == "voting"
    assert result.answer
    assert result.telemetry.threads == N
    check_one_prefill(result)


async def test_the_best_of_several_attempts_is_one_prefill() -> None:
    result = await solve(smollm2(), BestOf(n=N, judge=len), question(32))
    [fork] = [part for part in result.trace if isinstance(part, Fork)]
    assert result.answer == max((thread.text for thread in fork.threads), key=len).strip()
    check_one_prefill(result)


async def test_the_model_itself_judges() -> None:
    result = await solve(smollm2(), BestOf(n=2), "Say hello.")
    assert result.answer
    assert result.telemetry.requests == 3


@pytest.mark.parametrize("model", [smollm2(), None], ids=["smollm2", "weaver-nano"])
async def test_a_plan_is_worked_out(model: LocalModel | None) -> None:
    result = await solve(model, PlanAndSolve(max_steps=4), "Name a fruit, a city and a colour.")
    assert result.strategy == "plan_and_solve"
    assert result.answer
