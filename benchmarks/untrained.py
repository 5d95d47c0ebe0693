"""What a fork costs and gains on a model that was never trained to fork.

    python benchmarks/untrained.py --model FILE.gguf [--questions 40] [--timed 6] [--out RECORDS.jsonl]

Forty questions of four kinds, asked one after the other, greedily, on an engine of our own with one CPU
thread: as the bare question (`sequential`), with examples in markup (`prompted`), by separate calls
(`planned`). An answer is right if its last number is the one expected, or if of the names in
question its last line mentions the right one first. Plans are not checked.

Then some of the sums once more for the clock, the ways taking turns, so that a busy machine wrongs none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from weaver_sdk import Budget, LlamaServer, ParallelReasoner, Result, Sampling
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.options import Mode

Kind = Literal["sum", "comparison", "plan", "single"]

SLOTS = 12
"""So many that the examples of every way stay in the engine's cache."""
BUDGET = Budget(total_tokens=320, thread_tokens=64, reserve_tokens=64)


@dataclass(frozen=True)
class Question:
    kind: Kind
    text: str
    right: str = ""
    """A number, or the one of `names` to be named."""
    names: tuple[str, ...] = ()


def _comparison(text: str, right: str, *others: str) -> Question:
    return Question("comparison", text, right, (right, *others))


QUESTIONS = (
    Question("sum", "Compute 6*7 + 8*9", "114"),
    Question("plan", "Plan a picnic for ten people: food, drinks and games."),
    _comparison("Which is heaviest: a mouse, a horse or a cat?", "horse", "mouse", "cat"),
    Question("single", "What is the chemical symbol of gold?", "Au", ("Au",)),
    Question("sum", "Compute 11*5 + 4*12", "103"),
    Question("single", "A bus has 20 riders. 8 leave and then 5 get on. How many riders are on it?", "17"),
    _comparison("Which city has more people: Tokyo or Oslo?", "Tokyo", "Oslo"),
    Question("plan", "How do I prepare my bicycle, my tent and my clothes for a tour?"),
    Question("sum", "Compute 15*3 + 9*9", "126"),
    Question("single", "In which year did the Second World War end?", "1945"),
    _comparison("Which planet is largest: Mars, Jupiter or Venus?", "Jupiter", "Mars", "Venus"),
    Question("single", "Start with 3, double it, add 4, and double the result. What do you get?", "20"),
    Question("sum", "Compute 20*4 + 30*2", "140"),
    Question("plan", "Suggest a breakfast, a lunch and a dinner without meat."),
    _comparison("Which is faster: a snail, a cheetah or a turtle?", "cheetah", "snail", "turtle"),
    Question("single", "What is the opposite of the word cold?", "hot", ("hot", "warm")),
    Question("sum", "Compute 7*8 + 6*6 + 5*5", "117"),
    Question("single", "Lea is 4 years older than Max, and Max is 9. How old is Lea?", "13"),
    _comparison("Which country is larger: Canada, Belgium or Portugal?", "Canada", "Belgium", "Portugal"),
    Question("plan", "What do a cat, a dog and a parrot need every day?"),
    Question("sum", "Compute 13*4 - 6*5", "22"),
    Question("single", "How many legs does a spider have?", "8"),
    _comparison("Which is the higher price: 3 pens at 4 each, or 5 cups at 2 each?", "pens", "cups"),
    Question("single", "A shirt costs 40. It is reduced by 10, then by half. What is its price?", "15"),
    Question("sum", "Compute 25*2 + 10*7", "120"),
    Question("plan", "Describe the duties of a cook, a waiter and a manager in a restaurant."),
    _comparison("Which metal melts first: iron, lead or tungsten?", "lead", "iron", "tungsten"),
    Question("single", "Who wrote the play Hamlet?", "Shakespeare", ("Shakespeare", "Marlowe")),
    Question("sum", "A room is 5 by 4 metres, another is 6 by 3. What is their area together?", "38"),
    Question("single", "Take 50, subtract 8, and divide the result by 6. What do you get?", "7"),
    _comparison("Which was built first: the Eiffel Tower or the Colosseum?", "Colosseum", "Eiffel"),
    Question("plan", "Give tips for saving water in the kitchen, the bathroom and the garden."),
    Question("sum", "3 boxes hold 12 eggs each and 2 boxes hold 10 each. How many eggs are there?", "56"),
    Question("single", "What is the first letter of the word parallel?", "p", ("p",)),
    _comparison("Which river is longer: the Amazon or the Thames?", "Amazon", "Thames"),
    Question("plan", "List things to pack for a baby, for a child and for a grandmother."),
    Question("sum", "Compute 9*6 + 8*4 + 3*3", "95"),
    Question("single", "What is the boiling point of water at sea level, in degrees Celsius?", "100"),
    _comparison("Which has more days: April, February or May?", "May", "April", "February"),
    Question("single", "A snail climbs 3 metres a day for 4 days, then slips 5. How high is it?", "7"),
)

STRATEGIES: tuple[Literal["prompted"], Literal["planned"]] = ("prompted", "planned")
WAYS: dict[str, tuple[Literal["prompted", "planned"], Mode]] = {
    "sequential": ("prompted", "sequential"),
    "prompted": ("prompted", "parallel"),
    "planned": ("planned", "parallel"),
}


@dataclass(frozen=True)
class Record:
    """One question, asked in one way."""

    way: str
    kind: Kind
    question: str
    answer: str | None
    right: bool
    well_formed: bool
    threads: int
    seconds: float
    tokens: int
    critical_tokens: int
    repairs: list[str]

    @classmethod
    def of(cls, way: str, question: Question, result: Result) -> Record:
        told = result.telemetry
        return cls(
            way=way,
            kind=question.kind,
            question=question.text,
            answer=result.answer,
            right=is_right(question, result.answer or ""),
            well_formed=result.well_formed,
            threads=told.threads,
            seconds=told.wall_seconds,
            tokens=told.total_tokens,
            critical_tokens=told.critical_path_tokens,
            repairs=[repair.kind for repair in result.repairs],
        )


def is_right(question: Question, answer: str) -> bool:
    if not question.names:
        numbers = re.findall(r"\d+", answer)
        return bool(numbers) and numbers[-1] == question.right
    last = next((line for line in reversed(answer.splitlines()) if line.strip()), "").lower()
    named = [(at.start(), name) for name in question.names if (at := re.search(rf"\b{name.lower()}", last))]
    return bool(named) and min(named)[1] == question.right


async def ask_all(model: Path, asked: Sequence[tuple[str, Question]], done: Callable[[Record], None]) -> None:
    """Ask questions, each in a way; `done` gets each record as it comes."""
    async with LlamaServer(model, slots=SLOTS, threads=1, start_timeout=300) as engine:
        backend = LlamaBackend(engine.url, model=engine.model_name, slots=SLOTS)
        reasoners = {
            strategy: ParallelReasoner(
                backend=backend, strategy=strategy, sampling=Sampling(temperature=0.0), budget=BUDGET
            )
            for strategy in STRATEGIES
        }
        for strategy, mode in WAYS.values():  # the examples are cached before a clock runs
            await reasoners[strategy].solve("Compute 2*3 + 4*5", mode=mode)
        for way, question in asked:
            strategy, mode = WAYS[way]
            result = await reasoners[strategy].solve(question.text, mode=mode)
            done(Record.of(way, question, result))
        await backend.aclose()


def table(records: Sequence[Record], ways: Sequence[str]) -> str:
    """Return the records as a table, a column a way."""
    lines = ["| | " + " | ".join(ways) + " |", "| --- |" + " ---: |" * len(ways)]

    def row(name: str, cell: Callable[[list[Record]], str]) -> None:
        cells = (cell([record for record in records if record.way == way]) for way in ways)
        lines.append(f"| {name} | {' | '.join(cells)} |")

    def share(of: Callable[[Record], bool], *kinds: Kind) -> Callable[[list[Record]], str]:
        def count(asked: list[Record]) -> str:
            among = [record for record in asked if record.kind in kinds]
            return f"{sum(map(of, among))} of {len(among)}"

        return count

    every: tuple[Kind, ...] = ("sum", "comparison", "plan", "single")
    formed = share(lambda record: record.well_formed, *every)
    row("well-formed", lambda asked: "" if asked[0].way == "sequential" else formed(asked))  # no form to keep
    for kind in every:
        row(f"forked: {kind}", share(lambda record: record.threads > 1, kind))
    for kind in ("sum", "comparison", "single"):
        row(f"right: {kind}", share(lambda record: record.right, kind))
    row("cut by the budget", share(lambda record: "led_to_answer" in record.repairs, *every))
    row("tokens, mean", lambda asked: f"{statistics.mean(r.tokens for r in asked):.0f}")
    row(
        "on the critical path, mean", lambda asked: f"{statistics.mean(r.critical_tokens for r in asked):.0f}"
    )
    return "\n".join(lines)


def times(records: Sequence[Record]) -> str:
    """Return the seconds of each way, as a table."""
    lines = ["| | seconds, median | of the first way, median |", "| --- | ---: | ---: |"]
    first = [record.seconds for record in records if record.way == next(iter(WAYS))]
    for way in WAYS:
        own = [record.seconds for record in records if record.way == way]
        ratio = statistics.median(one / base for one, base in zip(own, first, strict=True))
        lines.append(f"| {way} | {statistics.median(own):.1f} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file of an instruct model")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many are asked")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="the ways that are asked")
    parser.add_argument("--timed", type=int, default=6, help="how many sums are asked again, by turns")
    parser.add_argument("--out", type=Path, help="a file for the records, a line each")
    given = parser.parse_args()
    records: list[Record] = []

    def done(record: Record) -> None:
        records.append(record)
        if given.out is not None:
            with given.out.open("a") as out:
                out.write(json.dumps(asdict(record)) + "\n")

    asked = [(way, question) for way in given.ways for question in QUESTIONS[: given.questions]]
    sums = [question for question in QUESTIONS if question.kind == "sum"][: given.timed]
    turns = [(way, question) for question in sums for way in WAYS]
    asyncio.run(ask_all(given.model, [*asked, *turns], done))
    if asked:
        print(table(records[: len(asked)], given.ways))
    if turns:
        print(f"\n{times(records[len(asked) :])}")


if __name__ == "__main__":
    main()
