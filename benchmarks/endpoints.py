"""The same questions over every endpoint of one server: completions, chat by prefill, chat by asking.

    python benchmarks/endpoints.py [--questions 20] [--model FILE.gguf] [--slots 4] [--out RECORDS.jsonl]

Greedy, one question after the other, on a llama.cpp of our own. A model that is not the packaged one is shown
the markup by examples and held to it by a grammar. Where LiteLLM is installed, it is a fourth way.
The table tells, for each way, how many runs forked, how many trajectories were well-formed, how many answers
were right, and how many texts are those of the run over completions, byte for byte.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.tasks import TASKS, Problem, problems
from weaver_sdk import Budget, LlamaServer, ParallelReasoner, Result, Sampling
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.strategies.prompted import PromptedStrategy

BUDGET = Budget(total_tokens=1500, thread_tokens=200)
HELD_OUT = 2_000_003


@dataclass(frozen=True)
class Record:
    """One run."""

    way: str
    question: str
    answer: str | None
    right: bool
    well_formed: bool
    threads: tuple[int, ...]
    """How many each fork had."""
    events: tuple[str, ...]
    """What happened, in order of time, without the deltas."""
    seconds: float
    text: str


def ways(server: LlamaServer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each way to the server, and what a reasoner is given for it."""
    at = {"model": server.model_name, "base_url": server.base_url}
    llama = KNOWN["llama.cpp"]
    yield "completions", at | {"api": "completions"}
    yield "chat by prefill", at | {"api": "chat", "capabilities": llama}
    yield "chat by asking", at | {"api": "chat", "capabilities": replace(llama, prefill="ask")}
    if importlib.util.find_spec("litellm"):
        from weaver_sdk.backends.litellm import LiteLLMBackend

        name = f"openai/{server.model_name}"
        through = LiteLLMBackend(name, api_key="none", base_url=server.base_url, capabilities=llama)
        yield "LiteLLM by prefill", {"backend": through}


async def run(way: str, reasoner: ParallelReasoner, problem: Problem) -> Record:
    events: list[str] = []
    result = await reasoner.solve(
        problem.question,
        budget=BUDGET,
        on_event=lambda event: events.append(event.kind) if not event.kind.endswith("_delta") else None,
    )
    return Record(
        way=way,
        question=problem.question,
        answer=result.answer,
        right=result.answer == problem.answer,
        well_formed=result.well_formed,
        threads=_threads(result),
        events=tuple(events),
        seconds=result.telemetry.wall_seconds,
        text=result.text,
    )


def _threads(result: Result) -> tuple[int, ...]:
    return tuple(len(part.threads) for part in result.trace if part.kind == "fork")


def table(records: Sequence[Record]) -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    first = {record.question: record for record in records if record.way == "completions"}
    yield "| way | forked | same forks | well-formed | right | same text | median seconds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for way in dict.fromkeys(record.way for record in records):
        rows = [record for record in records if record.way == way]
        counts = (
            sum(bool(row.threads) for row in rows),
            sum(row.threads == first[row.question].threads for row in rows),
            sum(row.well_formed for row in rows),
            sum(row.right for row in rows),
            sum(row.text == first[row.question].text for row in rows),
        )
        told = " | ".join(f"{count} of {len(rows)}" for count in counts)
        yield f"| {way} | {told} | {statistics.median(row.seconds for row in rows):.2f} |"


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--model", type=Path, help="the packaged model where not given")
    parser.add_argument("--slots", type=int, default=4, help="of the server: requests at once")
    parser.add_argument("--out", type=Path, help="a file for the records, a line each")
    given = parser.parse_args()
    streams = [problems(task, HELD_OUT) for task in TASKS.values()]
    asked = list(itertools.islice((next(stream) for stream in itertools.cycle(streams)), given.questions))
    records: list[Record] = []
    how = {"strategy": PromptedStrategy(shown="turns")} if given.model else {"dialect": "threadweaver"}
    async with LlamaServer(
        given.model, slots=given.slots, context_tokens=4096 * given.slots, start_timeout=300
    ) as server:
        for way, to in ways(server):
            async with ParallelReasoner(
                **to, **how, sampling=Sampling(temperature=0.0), max_concurrency=given.slots
            ) as reasoner:
                for problem in asked:
                    records.append(await run(way, reasoner, problem))
                    if given.out:
                        with given.out.open("a") as out:
                            out.write(json.dumps(asdict(records[-1])) + "\n")
    print("\n".join(table(records)))


if __name__ == "__main__":
    asyncio.run(main())
