"""What one decoding step of vLLM on the CPU costs by the number of streams, in bfloat16 and in float32.

    python benchmarks/cpu_dtype.py FOLDER --executable PYTHON

Each dtype gets a server of its own. CPU time of the worker is shown beside the wall clock: it repeats on a
busy machine. A step is the difference between long and short answers to the same questions, so that nothing
but decoding is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass

import httpx2

from weaver_sdk import VLLMServer

SHORT, LONG = 8, 56
"""Tokens of the two answers; the steps between them are counted."""
QUESTIONS = tuple(f"Story number {number}: once upon a time" for number in range(16))


@dataclass(frozen=True)
class Cost:
    """What one completion for each stream has cost."""

    cpu: float
    """CPU seconds of the process that computed most."""
    wall: float


async def decode(server: VLLMServer, streams: int, tokens: int) -> Cost:
    """Let some streams write as many tokens each, side by side."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    body = {"model": server.model_name, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    async with httpx2.AsyncClient(trust_env=False, timeout=900, headers=headers) as http:
        before, began = cpu_seconds(server), time.perf_counter()
        answers = await asyncio.gather(
            *(
                http.post(f"{server.base_url}/completions", json=body | {"prompt": question})
                for question in QUESTIONS[:streams]
            )
        )
        wall = time.perf_counter() - began
    for answer in answers:
        answer.raise_for_status()
    after = cpu_seconds(server)
    return Cost(cpu=max(after[pid] - before.get(pid, 0.0) for pid in after), wall=wall)


def cpu_seconds(server: VLLMServer) -> dict[int, float]:
    """Return the CPU seconds that each process of the server has used so far."""
    shown = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in shown.splitlines())}
    found, above = set[int](), {server.pid}
    while above := {pid for pid, parent in parents.items() if parent in above}:
        found |= above
    return {pid: seconds for pid in found if (seconds := _cpu_seconds(pid)) is not None}


def _cpu_seconds(pid: int) -> float | None:
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # it has ended
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(server: VLLMServer, streams: int, rounds: int) -> tuple[float, float]:
    """Return the medians of CPU and wall seconds of one step."""
    await decode(server, streams, SHORT)  # the questions into the cache
    steps = []
    for _ in range(rounds):
        short = await decode(server, streams, SHORT)
        long = await decode(server, streams, LONG)
        steps.append(((long.cpu - short.cpu) / (LONG - SHORT), (long.wall - short.wall) / (LONG - SHORT)))
    return statistics.median(cpu for cpu, _ in steps), statistics.median(wall for _, wall in steps)


async def main() -> None:
    """Measure each dtype in turn, and print a row for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--executable")
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for dtype in given.dtypes:
        async with VLLMServer(
            given.model,
            executable=given.executable,
            device="cpu",
            threads=given.threads,
            context_tokens=1024,
            kv_cache_gib=1,
            flags={"dtype": dtype, "enforce-eager": True},
        ) as server:
            one = 0.0
            for streams in given.streams:
                cpu, wall = await measure(server, streams, given.rounds)
                one = one or wall
                row = {
                    "dtype": dtype,
                    "streams": streams,
                    "cpu_ms": round(cpu * 1000),
                    "wall_ms": round(wall * 1000),
                }
                print(json.dumps(row | {"gain": round(streams * one / wall, 2)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
