"""The client costs little: one run keeps to its critical path, and 64 at once keep to that of one."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from weaver_sdk import ParallelReasoner
from weaver_sdk.testing import fork_join_script, spawned_server

PACE = 0.005
SCRIPT = fork_join_script(64, before_tokens=30, thread_tokens=(40, 20, 60), after_tokens=10)
IDEAL = PACE * (30 + 60 + 10)
PROBLEMS = [trajectory.problem for trajectory in SCRIPT.trajectories]
_ALL_CORES = Path("/proc/stat")
TRIES = 20
"""Other work on the machine only ever slows a try down, so the best of many is what the client costs."""


def problem_alone(messages) -> str:  # type: ignore[no-untyped-def]
    return str(messages[-1]["content"]).splitlines()[0]


@pytest.mark.timeout(120)
async def test_a_run_keeps_to_its_critical_path_and_64_at_once_keep_to_that_of_one() -> None:
    began, others_before = time.perf_counter(), _seconds_of_others()
    with spawned_server(SCRIPT, pace=PACE) as server:
        async with ParallelReasoner(
            base_url=server.base_url, template=problem_alone, max_concurrency=256
        ) as reasoner:
            await reasoner.solve(PROBLEMS[0])  # connections, imports
            alone = await _best(reasoner, PROBLEMS[:1], 1.06 * IDEAL)
            together = await _best(reasoner, PROBLEMS, 1.15 * alone)
    others = (_seconds_of_others() - others_before) / (time.perf_counter() - began)
    if (alone > 1.06 * IDEAL or together > 1.15 * alone) and others > 0.25:
        pytest.skip(f"other work took {others:.1f} cores: what the client costs cannot be told from it")
    assert alone <= 1.06 * IDEAL
    assert together <= 1.15 * alone


def _seconds_of_others() -> float:
    """CPU seconds since the start of the machine that neither this process nor its ended children took."""
    own = sum(os.times()[:4])
    if not _ALL_CORES.exists():
        return 0.0
    user, nice, system, _idle, _wait, irq, soft_irq, stolen = map(int, _ALL_CORES.read_text().split()[1:9])
    return (user + nice + system + irq + soft_irq + stolen) / os.sysconf("SC_CLK_TCK") - own


async def _best(reasoner: ParallelReasoner, problems: list[str], wanted: float) -> float:
    """Return the least seconds of many tries; a try that is good enough is the last."""
    best = float("inf")
    for _ in range(TRIES):
        best = min(best, await _seconds(reasoner, problems))
        if best <= wanted:
            break
    return best


async def _seconds(reasoner: ParallelReasoner, problems: list[str]) -> float:
    began = time.perf_counter()
    results = await asyncio.gather(*map(reasoner.solve, problems))
    seconds = time.perf_counter() - began
    assert [result.answer for result in results] == [str(n) for n in range(len(problems))]
    return seconds
