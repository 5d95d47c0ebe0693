"""Every dialect forks and joins, and those that stitching only comes near to say so."""

from __future__ import annotations

import logging

import pytest

from tests.markup import trajectories
from tests.runtime.play import kinds, play, threads
from weaver_sdk.markup import DIALECTS, MULTIVERSE, NPR, THREADWEAVER, THREADWEAVER_LEGACY, Dialect
from weaver_sdk.options import Budget
from weaver_sdk.strategies import reading
from weaver_sdk.testing import Script, ScriptedBackend, ScriptedBlock, ScriptedTrajectory

LEGACY = ScriptedTrajectory(
    "Q",
    (
        "<think>\nTwo sums.\n<Parallel>\n<Outlines>\n<Outline>1: Add 2 and 3.</Outline>\n"
        "<Outline>2: Add 4 and 5.</Outline>\n</Outlines>",
        ScriptedBlock((" 5\n", " 9\n")),
        "5 and 9.\n</Conclusion>\n</Parallel>\nTheir product is 45.\n</think>\n\\boxed{45}",
    ),
    "45",
)
CASES = ScriptedTrajectory(
    "Q",
    (
        "<think>\nTwo cases.\n<Parallel>\n<Goal>\n<Outline>\n1: x is even.\n</Outline>\n<Outline>\n"
        "2: x is odd.\n</Outline>\n</Goal>",
        ScriptedBlock(
            (
                (
                    " Then\n<Parallel>\n<Goal>\n<Outline>\n1.1: x = 2.\n</Outline>\n"
                    "<Outline>\n1.2: x > 2.\n</Outline>\n</Goal>",
                    ScriptedBlock((" prime\n", " not prime\n"), ("1.1", "1.2")),
                    "Only 2.\n</Conclusion>\n</Parallel>\n",
                ),
                " any\n",
            )
        ),
        "All odd primes and 2.\n</Conclusion>\n</Parallel>\n</think>\nThe answer is \\boxed{2}.",
    ),
    "2",
)
ROOTS = ScriptedTrajectory(
    "Q",
    (
        "<guideline>\n<plan>1: Factor.</plan>\n<plan>2: Try values.</plan>\n</guideline>",
        ScriptedBlock((" (x-1)(x-2)\n", " 1 and 2 fit\n")),
        "Both give 1 and 2.\n</takeaway>\n\nThe sum is \\boxed{3}.",
    ),
    "3",
)
PRODUCTS = ScriptedTrajectory(
    "Q",
    (
        trajectories.PRODUCTS.partition("\n<Thread>")[0],
        ScriptedBlock((" 47*86 = 47*80 + 47*6 = 3760 + 282 = 4042\n", " 93*12 = 1116\n")),
        trajectories.PRODUCTS.rpartition("</Thread>\n")[2],
    ),
    "5158",
)
PLAYED = {
    "threadweaver": (THREADWEAVER, PRODUCTS),
    "threadweaver-legacy": (THREADWEAVER_LEGACY, LEGACY),
    "multiverse": (MULTIVERSE, CASES),
    "npr": (NPR, ROOTS),
}


def test_every_dialect_is_played() -> None:
    assert PLAYED.keys() == DIALECTS.keys()


@pytest.mark.parametrize(("dialect", "trajectory"), PLAYED.values(), ids=PLAYED.keys())
async def test_a_dialect_forks_and_joins_as_its_models_write(
    dialect: Dialect, trajectory: ScriptedTrajectory
) -> None:
    script = Script((trajectory,), dialect)
    backend = ScriptedBackend(script)
    result = await play(backend, dialect=dialect, budget=Budget(max_depth=2))
    assert result.text == script.text("Q")
    assert result.answer == trajectory.answer
    assert result.well_formed
    assert kinds(result) == []
    assert len(threads(result)) == 2
    assert backend.requests[0].stop == (dialect.outlines[1],)
    assert result.exact == dialect.exact


@pytest.mark.parametrize("dialect", [MULTIVERSE, NPR], ids=lambda dialect: dialect.name)
async def test_stitching_that_is_not_exact_is_told_once(
    dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    reading.warn_inexact.cache_clear()
    trajectory = PLAYED[dialect.name][1]
    with caplog.at_level(logging.WARNING, "weaver_sdk"):
        for _ in range(2):
            result = await play(Script((trajectory,), dialect), dialect=dialect, budget=Budget(max_depth=2))
            assert not result.exact
    assert [dialect.name in record.getMessage() for record in caplog.records] == [True]


async def test_a_run_without_a_fork_is_exact_in_any_dialect() -> None:
    result = await play({"Q": "The answer is \\boxed{2}."}, dialect=NPR)
    assert result.exact
