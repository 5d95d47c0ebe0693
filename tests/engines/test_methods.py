"""Voting, best of n, and plan and solve on a real engine, through a whole reasoner."""

from __future__ import annotations

import pytest

from tests.engines.completions import story
from weaver_sdk import LlamaServer, ParallelReasoner, Result, Sampling, Thread
from weaver_sdk.engines.models import smollm2
from weaver_sdk.result import Fork

SAMPLING = Sampling(temperature=0.8, seed=7)
FEW = 8
"""Input tokens that an attempt may compute by itself."""


def question(seed: int) -> str:
    """A question that is long enough for computing it again to be felt."""
    return f"{story(400, seed)}\n\nWhich animals were in the story? Answer in one word."


def threads(result: Result) -> list[Thread]:
    return [thread for part in result.trace if isinstance(part, Fork) for thread in part.threads]


def computed(thread: Thread) -> int:
    """Input tokens that no cache held."""
    assert thread.prompt_tokens is not None
    assert thread.cached_prompt_tokens is not None
    return thread.prompt_tokens - thread.cached_prompt_tokens


def reasoner(strategy: str) -> ParallelReasoner:
    engine = LlamaServer(smollm2(), slots=4)
    return ParallelReasoner(engine=engine, strategy=strategy, sampling=SAMPLING)


@pytest.mark.parametrize("strategy", ["voting:n=4", "best_of:n=4"])
async def test_attempts_at_a_long_question_are_one_prefill(strategy: str) -> None:
    async with reasoner(strategy) as solver:
        result = await solver.solve(question(seed=31))
    attempts = threads(result)
    whole = [thread for thread in attempts if thread.prompt_tokens is not None]
    assert len(attempts) == 4
    assert len(whole) >= 2  # an attempt that was cancelled, since the vote was sure, tells no counts
    assert all((thread.prompt_tokens or 0) > 400 for thread in whole)
    assert [computed(thread) for thread in whole[1:] if computed(thread) > FEW] == []
    assert result.finish == "stop"
    assert result.answer
    assert len({thread.text for thread in attempts}) > 1  # each has a seed of its own


async def test_steps_that_need_nothing_open_are_worked_out_and_lead_to_an_answer() -> None:
    async with reasoner("plan_and_solve:max_steps=3") as solver:
        result = await solver.solve("What is the capital of France, and what is the capital of Italy?")
    assert (result.finish, result.strategy) == ("stop", "plan_and_solve")
    assert result.answer
    assert 1 <= len(threads(result)) <= 3  # a schema holds the plan
    assert {thread.outcome for thread in threads(result)} == {"done"}
