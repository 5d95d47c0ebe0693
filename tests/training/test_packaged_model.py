"""The packaged weights, by the runtime and the engine that users have. Nothing here needs torch."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from training.tasks import TASKS, Problem, problems
from weaver_sdk import ParallelReasoner
from weaver_sdk.models import nano, sequential_twin
from weaver_sdk.options import Mode
from weaver_sdk.result import Result

HELD_OUT = 77_003  # a stream that neither training nor the benchmark draws from
COUNT = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reasoner() -> AsyncIterator[ParallelReasoner]:
    async with ParallelReasoner.local() as reasoner:
        yield reasoner


async def solved(reasoner: ParallelReasoner, task: str, mode: Mode) -> list[tuple[Problem, Result]]:
    asked = list(itertools.islice(problems(TASKS[task], HELD_OUT), COUNT))
    results = [r async for r in reasoner.solve_many([p.question for p in asked], mode=mode)]
    return [(asked[result.index or 0], result) for result in results]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("mode", ["parallel", "sequential"])
@pytest.mark.parametrize("task", sorted(TASKS))
async def test_it_is_right_and_well_formed_on_new_problems_in_both_modes(
    reasoner: ParallelReasoner, task: str, mode: Mode
) -> None:
    runs = await solved(reasoner, task, mode)
    assert sum(result.answer == problem.answer for problem, result in runs) >= COUNT - 2
    assert sum(result.well_formed for _, result in runs) >= COUNT - 1


@pytest.mark.asyncio(loop_scope="module")
async def test_it_forks_where_the_work_is_independent_and_never_on_one_step(
    reasoner: ParallelReasoner,
) -> None:
    assert all(result.telemetry.forks == 0 for _, result in await solved(reasoner, "one-step", "parallel"))
    for problem, result in await solved(reasoner, "sums", "parallel"):
        assert result.telemetry.threads == problem.terms


@pytest.mark.asyncio(loop_scope="module")
async def test_four_products_are_four_threads_and_one_right_answer(reasoner: ParallelReasoner) -> None:
    result = await reasoner.solve("Compute 47*86 + 93*12 + 58*31 + 64*27")
    assert result.answer == "8684"
    assert result.telemetry.threads == 4
    assert not result.repairs


def test_the_weights_fit_into_a_package() -> None:
    assert nano().stat().st_size + sequential_twin().stat().st_size < 20_000_000
