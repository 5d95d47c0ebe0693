"""Two vLLM replicas behind vllm-router: what each way of routing leaves of the prefix cache, and a death.

    python benchmarks/routing.py --model FOLDER --python VLLM/bin/python --router ROUTER/bin/vllm-router

The replicas are started, each on one CPU core, or are given by `--replicas URL URL`. Each problem is a text
of its own of some 700 tokens. A grammar makes any model fork into four threads of some 25 tokens, join, and
answer, so that every run of `ParallelReasoner.solve` asks six times, greedily, and always in the same form.
The table tells, for each way: input tokens that came from a cache, those computed, the time to the first
token of a thread, of the slowest thread of a fork and behind the join (medians), and how much of the input
the busier replica was sent.

With `--kill`, the replica that serves a run is killed in the middle of it: while threads run, and while the
main line does. The lines tell what happens, in seconds since the run began.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import statistics
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from replicas import Server, replica, router

from weaver_sdk import Budget, CompletionsBackend, ParallelReasoner, Result, Sampling
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest
from weaver_sdk.errors import WeaverError
from weaver_sdk.events import Event
from weaver_sdk.strategies.grammars import Place
from weaver_sdk.strategies.prompted import PromptedStrategy

DIRECT = "one replica, no router"
KEYLESS = "consistent_hash, no key"
WAYS = (
    DIRECT,
    "round_robin",
    "random",
    KEYLESS,
    "consistent_hash",
    "sticky_least_loaded",
    "cache_aware",
)
WORDS = ("lamp", "river", "stone", "paper", "garden", "window", "market", "bridge", "letter", "winter")
PARTS = ("How the lamp was found", "Who came over the bridge", "What the letter said", "Where the river ends")
SALT = random.randrange(10**6)
STRIKE_AT = 12
"""Pieces of text that come before the replica is killed."""


@dataclass(frozen=True, kw_only=True)
class FourThreads(PromptedStrategy):
    """Makes any model fork once into four threads; it needs no examples for that."""

    examples: tuple[()] = ()
    free: bool = False
    """Whether what follows the outlines is free: under a grammar no stream is taken up where it broke."""

    def held_to(self, place: Place, capabilities: Capabilities, most_threads: int) -> str | None:
        """Return the form that leaves no choice but the words."""
        line = "line ::= [A-Za-z ,]{40,50}\n"
        if place == "open":
            outlines = " ".join(f'"<Outline>{n}: {part}</Outline>\\n"' for n, part in enumerate(PARTS, 1))
            return (
                f'root ::= "<think>\\n" line "\\n<Parallel>\\n<Outlines>\\n" {outlines} "</Outlines>"\n{line}'
            )
        if self.free:
            return None
        if place == "thread":
            return 'root ::= " " [a-z ]{70,80} "\\n</Thread>"\n'
        return f'root ::= "</Parallel>\\n" line "\\n</think>\\n\\\\boxed{{" [0-9]{{1,4}} "}}"\n{line}'


class Keyless:
    """A backend that keeps the routing key to itself."""

    def __init__(self, backend: CompletionsBackend) -> None:
        self._backend = backend

    @property
    def model(self) -> str:
        return self._backend.model

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._backend.stream(replace(request, routing_key=None))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        await self._backend.aclose()


@dataclass(frozen=True)
class Row:
    """What one way came to."""

    way: str
    results: tuple[Result, ...]
    sent: tuple[float, ...]
    """Input tokens of the requests that each replica answered."""


@asynccontextmanager
async def reasoner(url: str, *, keyless: bool = False, free: bool = False) -> AsyncIterator[ParallelReasoner]:
    """Open a reasoner whose runs all have the same form."""
    backend = CompletionsBackend(None, f"{url}/v1")
    try:
        await backend.discover()
        async with ParallelReasoner(
            backend=Keyless(backend) if keyless else backend,
            strategy=FourThreads(free=free),
            sampling=Sampling(
                temperature=0.0, extra={"ignore_eos": True, "repetition_penalty": 1.3} if free else {}
            ),
            budget=Budget(thread_tokens=40, total_tokens=320) if free else None,
        ) as opened:
            yield opened
    finally:
        await backend.aclose()


def problem(way: int, number: int) -> str:
    """Return a text that no other problem begins like, not even one of an earlier benchmark, and a task."""
    draw = random.Random(number)
    lines = (f"Item {n}: {' '.join(draw.choices(WORDS, k=8))}." for n in range(50))
    return (
        f"Store {SALT:06}-{way:02}-{number:02}.\n"
        + "\n".join(lines)
        + "\nTell the story of these things in four parts."
    )


async def measure(given: argparse.Namespace, replicas: Sequence[Server], way: str, logs: Path) -> Row:
    """Solve the problems in one way."""
    async with AsyncExitStack() as opened:
        at = replicas[0]
        if way != DIRECT:
            policy = way.partition(",")[0]
            at = await opened.enter_async_context(
                router(given.router, policy, replicas, given.router_options.split(), logs=logs)
            )
        solver = await opened.enter_async_context(reasoner(at.url, keyless=way == KEYLESS))
        before = [await one.prompt_tokens() for one in replicas]
        problems = (problem(WAYS.index(way), n) for n in range(given.problems))
        runs = solver.solve_many(problems, concurrency=given.concurrency)
        results = tuple([result async for result in runs])
        sent = tuple([await one.prompt_tokens() - had for one, had in zip(replicas, before, strict=True)])
    return Row(way, results, sent)


HEAD = (
    "| way | cache hits | computed a run | thread begins | slowest begins | join begins | busier replica |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def line(row: Row) -> str:
    """Return a line of the table, in Markdown. Times are medians."""
    told = [result.telemetry for result in row.results]
    asked = sum(one.prompt_tokens or 0 for one in told)
    computed = asked - sum(one.cached_prompt_tokens or 0 for one in told)
    threads, slowest, joins = map(statistics.median, first_tokens(row.results))
    return (
        f"| {row.way} | {1 - computed / asked:.0%} "
        f"| {computed / len(told):.0f} of {asked / len(told):.0f} tokens "
        f"| {threads:.2f} s | {slowest:.2f} s | {joins:.2f} s "
        f"| {max(row.sent) / sum(row.sent):.0%} |"
    )


def first_tokens(results: Sequence[Result]) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds to first tokens: of all threads, of the slowest of each fork, and behind joins."""
    threads: list[float] = []
    slowest: list[float] = []
    joins: list[float] = []
    for result in results:
        for place, part in enumerate(result.trace):
            if part.kind == "fork":
                began = [one.first_token - one.started for one in part.threads if one.first_token]
                threads += began
                slowest.append(max(began))
            elif place and part.first_token:
                joins.append(part.first_token - part.started)
    return threads, slowest, joins


class Strike:
    """Kills the replica that serves a run, once its threads or its joined main line have begun to write."""

    def __init__(self, victim: Server, kind: str) -> None:
        self._victim = victim
        self._kind = kind
        self._joined = False
        self._heard = 0
        self._silent = False

    def __call__(self, event: Event) -> None:
        self._joined = self._joined or event.kind == "joined"
        if event.kind == "retried":
            self._silent = True
            print(f"  {event.at:6.2f} s  attempt {event.attempt} in {event.delay:.1f} s, for: {event.reason}")
        elif event.kind == self._kind and self._joined == (self._kind == "segment_delta"):
            self._heard += 1
            if self._heard == STRIKE_AT:
                print(f"  {event.at:6.2f} s  the replica is killed")
                self._victim.kill()
            elif self._silent:
                self._silent = False
                print(f"  {event.at:6.2f} s  text comes again")


async def die(given: argparse.Namespace, replicas: Sequence[Server], kind: str, logs: Path) -> None:
    """Solve a problem in peace and then with a death, and tell what becomes of it."""
    options = given.router_options.split()
    async with (
        router(given.router, "consistent_hash", replicas, options, logs=logs) as at,
        reasoner(at.url, free=True) as solver,
    ):
        before = [await one.prompt_tokens() for one in replicas]
        calm = await solver.solve(problem(99, 0), routing_key="mine")
        served = [await one.prompt_tokens() - had for one, had in zip(replicas, before, strict=True)]
        victim = replicas[served.index(max(served))]
        try:
            result = await solver.solve(problem(99, 0), routing_key="mine", on_event=Strike(victim, kind))
        except WeaverError as error:
            print(f"          the run ends with an error: {error}")
            return
    resumed = sum(repair.kind == "resumed_stream" for repair in result.repairs)
    same = "the same text as" if result.text == calm.text else "another text than"
    print(f"  {result.telemetry.wall_seconds:6.2f} s  the end ({result.finish}): {resumed} streams resumed,")
    print(f"            {same} in peace, where it took {calm.telemetry.wall_seconds:.2f} s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", help="a folder with weights for vLLM")
    parser.add_argument("--python", default="python", help="the Python that has vLLM")
    parser.add_argument("--router", default="vllm-router")
    parser.add_argument("--router-options", default="", help="further options of the router, in one string")
    parser.add_argument("--replicas", nargs=2, metavar="URL", help="two that run already")
    parser.add_argument("--problems", type=int, default=6)
    parser.add_argument("--concurrency", type=int, default=2, help="runs at once")
    parser.add_argument("--ways", default="; ".join(WAYS), help="names, with semicolons between them")
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    if (not given.model) == (not given.replicas) or (given.kill and given.replicas):
        parser.error("give either --model, or --replicas and not --kill")
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # what was started goes too
    logs = Path(tempfile.mkdtemp(prefix="routing-"))
    async with AsyncExitStack() as opened:

        async def start(core: int) -> Server:
            server = await replica(given.python, given.model, "model", core=core, logs=logs)
            opened.callback(server.kill)
            return server

        replicas = [Server(url) for url in given.replicas or ()]
        if not replicas:
            replicas = await asyncio.gather(start(0), start(1))
        print(*HEAD, sep="\n")
        for way in filter(None, (way.strip() for way in given.ways.split(";"))):
            print(line(await measure(given, replicas, way, logs)), flush=True)
        for kind in ("thread_delta", "segment_delta") if given.kill else ():
            print(f"killed at a {kind}:")
            replicas = [one if one.alive() else await start(core) for core, one in enumerate(replicas)]
            await die(given, replicas, kind, logs)


if __name__ == "__main__":
    asyncio.run(main())
