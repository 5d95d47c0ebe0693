"""weaver-nano against its sequential twin and against its own sequential mode, on held-out problems.

    python benchmarks/nano.py --problems 500 --out nano.json

Accuracy, format and forks come from all problems, several at once. Wall clock comes from `--timed` problems
a task, one run at a time on an otherwise idle engine, fork/join and sequential in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.tasks import (
    TASKS,
    Between,
    ByDigits,
    Extremes,
    Problem,
    Products,
    SumsOfProducts,
    Task,
    problems,
)
from weaver_sdk import Budget, ParallelReasoner
from weaver_sdk.models import nano, sequential_twin
from weaver_sdk.options import Mode
from weaver_sdk.result import Result

HELD_OUT = 11_000_003
"""Neither training nor the looks at a model in between (`quick_eval`) draw from this seed."""
BUDGET = Budget(total_tokens=1900, thread_tokens=400)

FURTHER: dict[str, Task] = {
    "sums, 3 to 6 terms": SumsOfProducts(min_terms=3),
    "extremes, 3 to 6 terms": Extremes(min_terms=3),
    "smaller: sums, numbers from 0 to 99": SumsOfProducts(factors=Between(0, 99)),
    "smaller: sums, 1 or 2 digits": SumsOfProducts(factors=ByDigits(2, 2)),
    "smaller: products of 3 or 4, 1 or 2 digits": Products(),
    "beyond: sums, 7 or 8 terms": SumsOfProducts(min_terms=7, max_terms=8, factors=Between(10, 99)),
    "beyond: extremes, 3 digits by 3": Extremes(factors=ByDigits(3, 3)),
}
"""Rows of their own: parts of the range, smaller numbers than it draws, and sizes over it."""


@dataclass(frozen=True)
class Row:
    """Shares are in percent; `low` and `high` bound the accuracy (95%, Wilson). Speedups are means."""

    name: str
    problems: int
    accuracy: float
    low: float
    high: float
    sequential_mode_accuracy: float
    twin_accuracy: float
    format_rate: float
    activation_ratio: float
    token_speedup_over_twin: float
    token_speedup_over_self: float
    self_parallelism: float
    wall_speedup_over_self: float | None
    wall_speedup_over_twin: float | None


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share, in percent (Wilson 1927)."""
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return 100 * (middle - half), 100 * (middle + half)


async def all_runs(model: Path, asked: Sequence[Problem], mode: Mode) -> list[Result]:
    """Every problem once, eight at a time, in the order asked."""
    async with ParallelReasoner.local(model, budget=BUDGET) as reasoner:
        found = [r async for r in reasoner.solve_many([p.question for p in asked], mode=mode, concurrency=8)]
    return sorted(found, key=lambda result: result.index or 0)


async def seconds_in_turn(ways: Sequence[tuple[Path, Mode]], asked: Sequence[Problem]) -> list[list[float]]:
    """Wall-clock seconds of each problem, a list a way, one run at a time.

    Every problem is solved in all ways before the next, so that other work on the machine meets them alike.
    The first run of an engine is not counted.
    """
    seconds: list[list[float]] = [[] for _ in ways]
    async with AsyncExitStack() as stack:
        reasoners = [
            await stack.enter_async_context(ParallelReasoner.local(path, budget=BUDGET)) for path, _ in ways
        ]
        for problem in (asked[0], *asked):
            for reasoner, (_, mode), spent in zip(reasoners, ways, seconds, strict=True):
                began = time.perf_counter()
                await reasoner.solve(problem.question, mode=mode)
                spent.append(time.perf_counter() - began)
    return [spent[1:] for spent in seconds]


async def measured(name: str, asked: Sequence[Problem], model: Path, twin: Path, timed: int) -> Row:
    forked, plain, other = await asyncio.gather(  # at once, for no clock runs yet
        all_runs(model, asked, "parallel"),
        all_runs(model, asked, "sequential"),
        all_runs(twin, asked, "sequential"),
    )
    right = sum(r.answer == p.answer for r, p in zip(forked, asked, strict=True))
    low, high = wilson(right, len(asked))
    wall: tuple[float | None, float | None] = (None, None)
    if timed:
        ways: list[tuple[Path, Mode]] = [(model, "parallel"), (model, "sequential"), (twin, "sequential")]
        ours, own, theirs = await seconds_in_turn(ways, asked[:timed])
        wall = (mean_ratio(own, ours), mean_ratio(theirs, ours))
    path = [r.telemetry.critical_path_tokens for r in forked]
    return Row(
        name=name,
        problems=len(asked),
        accuracy=100 * right / len(asked),
        low=low,
        high=high,
        sequential_mode_accuracy=percent(r.answer == p.answer for r, p in zip(plain, asked, strict=True)),
        twin_accuracy=percent(r.answer == p.answer for r, p in zip(other, asked, strict=True)),
        format_rate=percent(r.well_formed for r in forked),
        activation_ratio=percent(r.telemetry.forks > 0 for r in forked),
        token_speedup_over_twin=mean_ratio([r.telemetry.total_tokens for r in other], path),
        token_speedup_over_self=mean_ratio([r.telemetry.total_tokens for r in plain], path),
        self_parallelism=statistics.fmean(r.telemetry.self_parallelism for r in forked),
        wall_speedup_over_self=wall[0],
        wall_speedup_over_twin=wall[1],
    )


def mean_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The mean over problems of one ratio a problem."""
    return statistics.fmean(a / b for a, b in zip(above, below, strict=True))


def percent(hits: Iterable[bool]) -> float:
    """The share of true values, in percent."""
    return 100 * statistics.fmean(hits)


def selection(count: int) -> list[tuple[str, list[Problem]]]:
    """Held-out problems by row: each task, then each further row."""
    return [
        (name, list(itertools.islice(problems(task, HELD_OUT), count)))
        for name, task in {**TASKS, **FURTHER}.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=nano())
    parser.add_argument("--twin", type=Path, default=sequential_twin())
    parser.add_argument("--problems", type=int, default=500, help="a task")
    parser.add_argument("--timed", type=int, default=40, help="of them, one at a time against the clock")
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows")
    chosen = parser.parse_args()
    console = Console(stderr=True)
    picked = [row for row in selection(chosen.problems) if row[0].startswith(chosen.only)]
    rows: list[Row] = []
    for name, asked in track(picked, "measuring", console=console):
        timed = min(chosen.timed, len(asked))
        rows.append(asyncio.run(measured(name, asked, chosen.model, chosen.twin, timed)))
        if chosen.out:  # after every row, for the whole takes half an hour
            chosen.out.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(table(rows))


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    heads = ("problems", "accuracy (95%)", "own sequential mode", "twin", "format", "forks")
    speeds = ("tokens over twin", "tokens over self", "self-parallelism", "wall over self", "wall over twin")
    lines = [f"| {' | '.join(('task', *heads, *speeds))} |", "| --- " * (1 + len(heads) + len(speeds)) + "|"]
    for row in rows:
        cells = [
            row.name,
            str(row.problems),
            f"{row.accuracy:.1f} ({row.low:.1f} to {row.high:.1f})",
            f"{row.sequential_mode_accuracy:.1f}",
            f"{row.twin_accuracy:.1f}",
            f"{row.format_rate:.1f}",
            f"{row.activation_ratio:.1f}",
        ]
        speeds_of_row = (
            row.token_speedup_over_twin,
            row.token_speedup_over_self,
            row.self_parallelism,
            row.wall_speedup_over_self,
            row.wall_speedup_over_twin,
        )
        cells += ["" if speed is None else f"{speed:.2f}" for speed in speeds_of_row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
