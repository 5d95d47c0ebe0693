"""What reinforcement changed: accuracy, speed and form of several models on the same held-out problems.

    python benchmarks/reinforcement.py before=early.gguf after=after.gguf divided=divided.gguf

Speed is the tokens of the critical path, and the acceleration ratio that the reward pays for: means over the
problems that all of the models got right, so that none looks fast by failing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

from nano import HELD_OUT, all_runs, percent, wilson
from rich.console import Console
from rich.progress import track

from training.tasks import TASKS, Problem, problems
from weaver_sdk.result import Result


def line(
    task: str, name: str, asked: Sequence[Problem], results: Sequence[Result], both: Sequence[int]
) -> str:
    """A row of the table; `both` are the indices of the problems that every model got right."""
    right = sum(result.answer == problem.answer for result, problem in zip(results, asked, strict=True))
    low, high = wilson(right, len(asked))
    told = [results[index].telemetry for index in both]
    cells = (
        task,
        name,
        f"{100 * right / len(asked):.1f} ({low:.1f} to {high:.1f})",
        f"{percent(result.well_formed for result in results):.1f}",
        f"{statistics.fmean(t.critical_path_tokens for t in told):.1f}",
        f"{statistics.fmean(t.acceleration_ratio for t in told):.3f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="NAME=GGUF")
    parser.add_argument("--problems", type=int, default=500, help="a task")
    chosen = parser.parse_args()
    models = {name: Path(path) for name, _, path in (given.partition("=") for given in chosen.models)}
    print("| task | model | accuracy (95%) | format | critical path | acceleration |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, task in track(TASKS.items(), "measuring", console=Console(stderr=True)):
        asked = list(itertools.islice(problems(task, HELD_OUT), chosen.problems))
        runs = {label: asyncio.run(all_runs(path, asked, "parallel")) for label, path in models.items()}
        both = [
            index
            for index, problem in enumerate(asked)
            if all(results[index].answer == problem.answer for results in runs.values())
        ]
        for label, results in runs.items():
            print(line(name, label, asked, results, both), flush=True)


if __name__ == "__main__":
    main()
