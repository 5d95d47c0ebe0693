"""How much longer runs take than their ideal critical path: one alone, and many at once.

    python benchmarks/overhead.py [--runs 64] [--rounds 10]

A scripted server in a process of its own writes a token every 5 ms to each stream. Each run writes 30 tokens,
forks into threads of 40, 20 and 60, and writes 10 more: at best it takes the time of 100 tokens. Other work
only ever slows a round down, so the best round is what the client costs; the median tells what this machine
gave. In the first round of many at once all connections are still to open.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence

from weaver_sdk import ParallelReasoner
from weaver_sdk.testing import fork_join_script, spawned_server

PACE = 0.005
BEFORE, THREADS, AFTER = 30, (40, 20, 60), 10
IDEAL = PACE * (BEFORE + max(THREADS) + AFTER)


def first_line(messages: Sequence[dict[str, str]]) -> str:
    """Ask the problem alone, as the script knows it."""
    return messages[-1]["content"].splitlines()[0]


async def timed(reasoner: ParallelReasoner, problems: list[str]) -> float:
    """Return the seconds that problems take together; each has its own number for an answer."""
    began = time.perf_counter()
    results = await asyncio.gather(*map(reasoner.solve, problems))
    seconds = time.perf_counter() - began
    assert [result.answer for result in results] == [str(n) for n in range(len(problems))]
    return seconds


async def measure(runs: int, rounds: int) -> None:
    """Print one line for each kind of round."""
    script = fork_join_script(runs, before_tokens=BEFORE, thread_tokens=THREADS, after_tokens=AFTER)
    problems = [trajectory.problem for trajectory in script.trajectories]
    with spawned_server(script, pace=PACE) as server:
        async with ParallelReasoner(
            base_url=server.base_url, template=first_line, max_concurrency=runs * len(THREADS)
        ) as reasoner:
            await timed(reasoner, problems[:1])  # imports are paid here
            cold = await timed(reasoner, problems)
            alone, together = [], []
            for _ in range(rounds):  # in turn, so that other work slows both alike
                alone.append(await timed(reasoner, problems[:1]))
                together.append(await timed(reasoner, problems))
    print(f"{'':24}{'best s':>8}{'median s':>10}{'best / ideal':>14}{'median / ideal':>16}{'best / one':>12}")
    print(f"{'ideal critical path':24}{IDEAL:8.3f}")
    for name, seconds in (("one run", alone), (f"{runs} runs at once", together)):
        best, median = min(seconds), statistics.median(seconds)
        ratios = f"{best / IDEAL:14.2f}{median / IDEAL:16.2f}{best / min(alone):12.2f}"
        print(f"{name:24}{best:8.3f}{median:10.3f}{ratios}")
    print(f"{'their first round':24}{cold:8.3f}{'':10}{cold / IDEAL:14.2f}{'':16}{cold / min(alone):12.2f}")
    print(f"\n{rounds} rounds on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"again: python benchmarks/overhead.py --runs {runs} --rounds {rounds}")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=64, help="runs at once")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is timed")
    asked = parser.parse_args()
    asyncio.run(measure(asked.runs, asked.rounds))


if __name__ == "__main__":
    main()
