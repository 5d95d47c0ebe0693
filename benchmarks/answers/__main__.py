"""Whole answers, and what they take: 36 questions, asked in four ways.

    python -m benchmarks.answers --base-url http://HOST:8000/v1 --model NAME --out FILE.json
    python -m benchmarks.answers --gguf FILE.gguf --slots 4 --out FILE.json
    python -m benchmarks.answers --report FILE.json [--show ID]

`bare` is the question alone, `weaver` is strategy="planned", `auto` what it chooses, `gather` an outline and
its sections asked for at once by `openai`, written by hand. 20 of the questions have three parts or more, 4
have two, 12 are of one piece; each has a checklist, by which every answer is measured. All is greedy.

Rows that the file holds already are not asked again, so a run can be broken off and go on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai

from benchmarks.answers.asking import ask_all
from benchmarks.answers.question import Question
from benchmarks.answers.questions import QUESTIONS
from benchmarks.answers.report import report, side_by_side
from benchmarks.answers.row import Record, Row, load
from benchmarks.answers.streams import side_by_side_speeds
from benchmarks.answers.ways import NAMES, Server
from weaver_sdk import LlamaServer, ParallelReasoner, Sampling

STREAMS = (1, 4)


async def measure(given: argparse.Namespace, questions: Sequence[Question], record: Record) -> None:
    """Ask what is not in the record yet."""
    async with AsyncExitStack() as stack:
        server = await open_server(given, stack)
        if given.at_once == 1 and not record.streams:
            record.streams = await side_by_side_speeds(server.client, server.model, STREAMS)

        def done(row: Row) -> None:
            if given.out:
                record.save(given.out)
            wall = "" if row.seconds is None else f" {row.seconds:.1f} s"
            print(
                f"{row.question}, {row.way}:{wall} {row.answered.tokens} tokens", file=sys.stderr, flush=True
            )

        ways = {name: server.way(name) for name in given.ways}
        await ask_all(ways, questions, record, given.at_once, done)


async def open_server(given: argparse.Namespace, stack: AsyncExitStack) -> Server:
    """Reach the server, or start one of our own for a GGUF file."""
    if given.gguf:
        engine = await stack.enter_async_context(
            LlamaServer(given.gguf, slots=given.slots, start_timeout=300)
        )
        base_url, key, model = engine.base_url, "none", engine.model_name
        to: dict[str, Any] = {"backend": engine.backend(max_concurrency=64)}
    else:
        base_url, key, model = given.base_url, os.environ.get("OPENAI_API_KEY", "none"), given.model
        to = {"base_url": base_url, "api_key": key, "model": model}
    reasoner = ParallelReasoner(**to, metered=False, sampling=Sampling(temperature=0.0), timeout=600.0)
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, timeout=600.0)
    await stack.enter_async_context(reasoner)
    await stack.enter_async_context(client)
    return Server(model, reasoner, client, given.max_tokens)


def chosen(ids: str | None) -> list[Question]:
    """Return the questions of these ids, or all."""
    wanted = ids.split(",") if ids else [question.id for question in QUESTIONS]
    by_id = {question.id: question for question in QUESTIONS}
    if unknown := [one for one in wanted if one not in by_id]:
        raise SystemExit(f"no question {unknown[0]!r}: use some of {', '.join(by_id)}")
    return [by_id[one] for one in wanted]


def resumed(given: argparse.Namespace) -> Record:
    """Return the record of the file, or an empty one."""
    model = given.gguf.stem if given.gguf else given.model
    if not given.out or not given.out.exists():
        return Record(model=model, max_tokens=given.max_tokens)
    record = load(given.out)
    if (record.model, record.max_tokens) != (model, given.max_tokens):
        raise SystemExit(
            f"{given.out} holds answers of {record.model} with {record.max_tokens} tokens: use another file"
        )
    return record


def way_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no way {unknown[0]!r}: use some of {','.join(NAMES)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base-url", help="of a server; its key is read from OPENAI_API_KEY")
    parser.add_argument("--model", help="its name on that server")
    parser.add_argument("--gguf", type=Path, help="a model for a llama.cpp of our own, instead of a server")
    parser.add_argument("--slots", type=int, default=4, help="of our own llama.cpp: texts at once")
    parser.add_argument("--ways", type=way_names, default=list(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--only", help="ids of questions, with commas between them")
    parser.add_argument(
        "--at-once", type=int, default=1, help="questions at once; more than 1 leaves out the clock"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=1024, help="that may be written one after the other"
    )
    parser.add_argument("--out", type=Path, help="a JSON file for the rows with their texts, to go on from")
    parser.add_argument("--report", type=Path, help="render the tables of such a file, and ask nothing")
    parser.add_argument("--show", help="print the answers to the question of this id, side by side")
    given = parser.parse_args()
    questions = chosen(given.show or given.only)
    if given.report:
        record = load(given.report)
    elif given.gguf or (given.base_url and given.model):
        record = resumed(given)
        asyncio.run(measure(given, questions, record))
    else:
        parser.error("give --base-url and --model, or --gguf, or --report")
    print(side_by_side(record, questions[0]) if given.show else report(record, questions))


if __name__ == "__main__":
    main()
