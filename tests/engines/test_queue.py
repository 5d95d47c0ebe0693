"""More threads than a real engine has slots: the wait is reported, and counts for no thread."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from weaver_sdk import Limits, ParallelReasoner, Result
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.events import Event, ThreadFinished, ThreadStarted
from weaver_sdk.options import Sampling
from weaver_sdk.result import Fork, Segment

PROBLEMS = [f"Compute {n}7*86 + 93*{n}2 + 58*31 + 64*2{n}" for n in range(1, 5)]


async def solve_all(slots: int, limits: int | Limits = 64) -> tuple[list[Result], list[Event]]:
    """Solve all problems at once; the events are those of all runs, in order."""
    events: list[Event] = []
    async with ParallelReasoner(
        engine=LlamaServer(slots=slots), sampling=Sampling(temperature=0), max_concurrency=limits
    ) as reasoner:
        results = await asyncio.gather(
            *(reasoner.solve(problem, on_event=events.append) for problem in PROBLEMS)
        )
    return results, events


def most_threads_at_once(events: list[Event]) -> int:
    open_now: set[tuple[str, int, int]] = set()
    most = 0
    for event in events:
        if isinstance(event, ThreadStarted):
            open_now.add((event.run_id, event.fork, event.thread))
            most = max(most, len(open_now))
        elif isinstance(event, ThreadFinished):
            open_now.remove((event.run_id, event.fork, event.thread))
    assert not open_now
    return most


@pytest.mark.parametrize(
    ("slots", "limits", "most"), [(1, 64, 1), (2, 64, 2), (3, 1, 1), (2, Limits(max_concurrency=5), 2)]
)
async def test_no_more_threads_are_told_to_run_than_there_are_slots(
    slots: int, limits: int | Limits, most: int
) -> None:
    results, events = await solve_all(slots, limits)
    assert most_threads_at_once(events) == most
    assert all(result.telemetry.forks for result in results)
    assert not [repair for result in results for repair in result.repairs]


async def test_on_one_slot_the_times_of_a_run_follow_one_another() -> None:
    results, _ = await solve_all(slots=1)
    for result in results:
        (fork,) = (part for part in result.trace if isinstance(part, Fork))
        assert len(fork.threads) > 1
        segments = [part for part in result.trace if isinstance(part, Segment)]
        for part in [*fork.threads, *segments]:
            assert part.first_token is not None
            assert part.started <= part.first_token <= part.ended
        times = sorted((part.started, part.ended) for part in [*fork.threads, *segments])
        assert all(before[1] <= after[0] for before, after in pairwise(times))
        lengths = [thread.ended - thread.started for thread in fork.threads]
        assert result.telemetry.overhead_seconds >= sum(lengths) - max(lengths) - 1e-6
