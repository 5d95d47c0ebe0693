"""What forks and joins cost on a real engine, and what the wall clock gains by them.

    python benchmarks/forks_and_joins.py llama --model MODEL.gguf
    python benchmarks/forks_and_joins.py vllm --model FOLDER [--executable PYTHON]
    python benchmarks/forks_and_joins.py server --base-url http://HOST:8000/v1

Every run has the same shape (`weaver_sdk.testing.ShapedBackend`), so only what is compared differs. Three
tables come out: what of the threads' shared prefix was in the cache; what a join computed again, with and
without warming, and how long it took to the next token; parallel against sequential mode of the same lengths
with 1, 2, 4 and 8 threads. The ways that are compared take turns, run by run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from weaver_sdk import Fork, LlamaServer, ParallelReasoner, Result, Sampling, Segment
from weaver_sdk.backends.base import Backend
from weaver_sdk.options import Mode, PrefixForm
from weaver_sdk.session import Session
from weaver_sdk.session_config import SessionConfig
from weaver_sdk.testing import Shape, ShapedBackend

WORDS = (
    "river",
    "stone",
    "lamp",
    "cloud",
    "paper",
    "green",
    "seven",
    "north",
    "table",
    "wind",
    "glass",
    "road",
)


@dataclass(frozen=True)
class Way:
    """One of the ways that are compared."""

    name: str
    mode: Mode = "parallel"
    warm: bool = False
    prefix: PrefixForm = "text"


@dataclass(frozen=True)
class Measured:
    """What one run showed."""

    way: str
    threads: int
    wall: float
    fork_hits: float | None
    """Share of what threads 2 and up have in common that came from the cache."""
    last_thread: float | None
    """Seconds that the slowest thread took."""
    join_tokens: int | None
    join_seconds: float
    drift: int | None


@asynccontextmanager
async def engine(given: argparse.Namespace) -> AsyncIterator[Backend]:
    """Start the engine, or reach the server, and return a backend for it."""
    async with AsyncExitStack() as stack:
        if given.engine == "server":
            config = SessionConfig(base_url=given.base_url, strategy="native")
        elif given.engine == "llama":
            slots = max(8, *given.widths)
            config = SessionConfig(engine=LlamaServer(given.model, slots=slots), strategy="native")
        else:
            from weaver_sdk.engines.vllm import VLLMServer

            server = VLLMServer(given.model, executable=given.executable, flags=given.flag, kv_cache_gib=1)
            config = SessionConfig(engine=server, strategy="native")
        session = await Session.open(config)
        stack.push_async_callback(session.aclose)
        yield session.backend


async def one_run(
    backend: Backend, shape: Shape, way: Way, question: str, temperature: float = 0.0
) -> Measured:
    """Work one question out in a shape, and return what the trace tells."""
    async with ParallelReasoner(
        backend=ShapedBackend(backend, shape),
        strategy="native",
        sampling=Sampling(temperature=temperature, seed=1),
        warm_joins=way.warm,
        prefix=way.prefix,
    ) as reasoner:
        result = await reasoner.solve(question, mode=way.mode)
    telemetry = result.telemetry
    if telemetry.total_tokens != shape.total:
        sys.exit(f"{way.name}: {telemetry.total_tokens} tokens in place of {shape.total}: {result.repairs}")
    forks = [part for part in result.trace if isinstance(part, Fork)]
    return Measured(
        way=way.name,
        threads=len(shape.threads),
        wall=telemetry.wall_seconds,
        fork_hits=fork_hits(result),
        last_thread=max((t.ended - t.started for f in forks for t in f.threads), default=None),
        join_tokens=telemetry.join_prefill_tokens,
        join_seconds=telemetry.join_seconds,
        drift=telemetry.drift_tokens,
    )


def fork_hits(result: Result) -> float | None:
    """Return which share of their common prefix threads 2 and up found in the cache."""
    shares: list[float] = []
    for before, part in zip(result.trace, result.trace[1:], strict=False):
        if not isinstance(part, Fork) or not isinstance(before, Segment):
            continue
        told = [(t.cached_prompt_tokens, t.prompt_tokens) for t in part.threads[1:]]
        seed = 8  # tokens of "\n<Thread>\n2:", which nobody shares
        shares += [
            min(1.0, cached / (prompt - seed)) for cached, prompt in told if cached is not None and prompt
        ]
    return statistics.mean(shares) if shares else None


def question(rng: random.Random, words: int) -> str:
    """Return a text of so many words that no run before began with."""
    return " ".join(rng.choice(WORDS) for _ in range(words))


async def compare(
    backend: Backend, shapes: Sequence[Shape], ways: Sequence[Way], given: argparse.Namespace
) -> list[Measured]:
    """Run all ways in turns, each on questions of its own."""
    rng = random.Random(given.seed)
    rows = []
    for shape in shapes:
        for way in ways:
            asked = question(rng, given.words)
            rows.append(await one_run(backend, shape, way, asked, given.temperature))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def median(values: Sequence[float | int | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else float("nan")


def join_table(rows: Sequence[Measured], ways: Sequence[Way]) -> str:
    """Return medians of each way as a table."""
    lines = [
        "| | computed at the join, tokens | next token, s | slowest thread, s | wall, s | drift, tokens |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way in ways:
        of = [row for row in rows if row.way == way.name]
        drift = median([row.drift for row in of])
        cells = [
            f"{median([row.join_tokens for row in of]):.0f}",
            f"{median([row.join_seconds for row in of]):.3f}",
            f"{median([row.last_thread for row in of]):.2f}",
            f"{median([row.wall for row in of]):.2f}",
            "not told" if drift != drift else f"{drift:.0f}",
        ]
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def wall_table(rows: Sequence[Measured], widths: Sequence[int]) -> str:
    """Return the seconds of both modes by the number of threads."""
    lines = [
        "| threads | sequential, s | parallel, s | wall speedup | fork hits |",
        "| --- | --- | --- | --- | --- |",
    ]
    for width in widths:
        of = [row for row in rows if row.threads == width]
        sequential = median([row.wall for row in of if row.way == "sequential"])
        parallel = median([row.wall for row in of if row.way == "parallel"])
        hits = median([row.fork_hits for row in of])
        lines.append(
            f"| {width} | {sequential:.2f} | {parallel:.2f} | {sequential / parallel:.2f} "
            f"| {'' if hits != hits else f'{hits:.1%}'} |"
        )
    return "\n".join(lines)


JOINS = (Way("cold"), Way("warmed", warm=True))
WALLS = (Way("sequential", mode="sequential"), Way("parallel", warm=True))


async def main(given: argparse.Namespace) -> None:
    """Measure what was asked for, and print the tables."""
    rng = random.Random(given.seed)
    joins = JOINS if not given.tokens else (*JOINS, Way("warmed, as tokens", warm=True, prefix="tokens"))
    data: dict[str, list[Measured]] = {}
    async with engine(given) as backend:
        await one_run(backend, Shape(opening=8, threads=(8, 8), answer=8), WALLS[1], "warm up")
        if "joins" in given.only:
            lengths = sorted(given.lengths)
            last = [Shape(opening=32, threads=tuple(lengths), answer=16)] * given.runs
            mixed = [
                Shape(opening=32, threads=tuple(rng.sample(lengths, len(lengths))), answer=16)
                for _ in range(given.runs)
            ]
            for name, shapes in (("the longest thread is the last", last), ("in any order", mixed)):
                data[name] = await compare(backend, shapes, joins, given)
                hits = median([row.fork_hits for row in data[name]])
                print(
                    f"\n{given.engine}, threads of {lengths} tokens, {name}; medians of {given.runs} runs\n"
                )
                print(join_table(data[name], joins))
                print(f"\nShared prefix of threads 2 and up that came from the cache: {hits:.1%}")
        if "walls" in given.only:
            shapes = [
                Shape(opening=32, threads=(given.thread,) * width, answer=16)
                for width in given.widths
                for _ in range(given.rounds)
            ]
            data["walls"] = await compare(backend, shapes, WALLS, given)
            print(f"\n{given.engine}, threads of {given.thread} tokens; medians of {given.rounds} runs\n")
            print(wall_table(data["walls"], given.widths))
    if given.out:
        told = {name: [asdict(row) for row in rows] for name, rows in data.items()}
        given.out.write_text(json.dumps({"engine": given.engine, **told}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=("llama", "vllm", "server"))
    parser.add_argument("--model", help="a GGUF file, or a folder for vLLM")
    parser.add_argument("--base-url")
    parser.add_argument("--executable", help="the Python that vLLM is installed in")
    parser.add_argument("--flag", action="append", default=[], help="passed on to vLLM")
    parser.add_argument("--only", nargs="+", default=["joins", "walls"], choices=("joins", "walls"))
    parser.add_argument("--runs", type=int, default=20, help="of each way, in the table of joins")
    parser.add_argument("--rounds", type=int, default=5, help="of each way and width, in the table of walls")
    parser.add_argument("--lengths", type=int, nargs="+", default=[24, 32, 40, 80], help="tokens of threads")
    parser.add_argument("--thread", type=int, default=48, help="tokens of each thread, in the table of walls")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--words", type=int, default=500, help="of the question")
    parser.add_argument("--tokens", action="store_true", help="compare with prefixes as tokens, too")
    parser.add_argument("--temperature", type=float, default=0.0, help="sampled text drifts, greedy does not")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="all runs as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
