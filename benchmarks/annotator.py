"""How many solutions of a real model the annotator turns into trajectories, and where the others are lost.

    python benchmarks/annotator.py --gguf FILE.gguf --out FOLDER

The teacher solves word problems in its own words, greedily; the right solutions are the traces. Then it
annotates them, stage by stage. FOLDER holds the traces and what became of each; a second call goes on there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.annotate import Teacher, Trace, annotate_all
from weaver_sdk import LlamaServer
from weaver_sdk.session import Session
from weaver_sdk.session_config import SessionConfig

PROBLEMS = (
    ("A shop sells 12 boxes of 24 pens and 15 boxes of 18 pencils. How many things does it sell?", "558"),
    ("A train goes 3 hours at 80 km per hour and 2 hours at 95 km per hour. How far does it go?", "430"),
    ("What is the area of a rectangle of 14 by 9 and a square of side 11 together?", "247"),
    ("Tom saves 25 dollars a week for 8 weeks, Ann 30 dollars a week for 6 weeks. How much is it?", "380"),
    ("A baker makes 7 trays of 16 rolls and 5 trays of 12 buns. How many pieces is that?", "172"),
    ("Hall A has 18 rows of 22 seats, hall B has 15 rows of 30 seats. How many seats is that?", "846"),
    ("Three trucks carry 40 sacks each and two vans carry 15 sacks each. How many sacks is that?", "150"),
    ("A farm has 26 cows that give 18 litres each and 9 goats that give 3 each. How many litres?", "495"),
    ("Lea reads 14 pages a day for 9 days, Max 21 pages a day for 5 days. How many pages is that?", "231"),
    ("A ticket costs 12 for adults and 7 for children. What do 4 adults and 6 children pay?", "90"),
    ("One tank fills with 35 litres a minute for 8 minutes, one with 20 for 12. How many litres?", "520"),
    ("A school has 6 classes of 28 pupils and 4 classes of 31 pupils. How many pupils is that?", "292"),
    ("A gardener plants 8 rows of 15 tulips and 11 rows of 9 roses. How many flowers is that?", "219"),
    ("A printer makes 45 pages a minute for 6 minutes, another 30 for 10 minutes. How many pages?", "570"),
    ("Ben buys 3 shirts at 19 each and 2 caps at 14 each. What does he pay?", "85"),
    ("A cyclist rides 17 km a day for 5 days, another 23 km a day for 4 days. How far together?", "177"),
    ("A shelf has 5 boards of 32 books, another 7 boards of 24 books. How many books is that?", "328"),
    ("Compute 13*14 + 16*17.", "454"),
    ("A hotel has 9 floors of 14 rooms and 2 floors of 6 suites. How many can be let?", "138"),
    ("A cook uses 4 bags of 25 onions and 3 bags of 18 carrots. How many vegetables is that?", "154"),
)
"""Two independent pieces of work in each, and the answer."""

SOLVE = """{problem}

Solve it step by step, one short sentence a step, without LaTeX. End with the answer."""


async def solved(config: SessionConfig, console: Console) -> list[Trace]:
    """The right ones of the teacher's own solutions."""
    session = await Session.open(config)
    traces = []
    try:
        teacher = Teacher(session.backend, session.models["main"].render)
        for problem, answer in track(PROBLEMS, "solving", console=console):
            text = await teacher.ask(SOLVE.format(problem=problem))
            if re.findall(r"\d+", text)[-1:] == [answer]:
                traces.append(Trace(problem, text, answer))
    finally:
        await session.aclose()
    return traces


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gguf", type=Path, required=True, help="the teacher")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    kept = chosen.out / "traces.jsonl"
    config = SessionConfig(model=None, base_url=None, engine=LlamaServer(chosen.gguf), strategy="native")
    if not kept.exists():
        found = asyncio.run(solved(config, console))
        kept.write_text("".join(json.dumps(asdict(trace)) + "\n" for trace in found))
    traces = [Trace(**json.loads(line)) for line in kept.read_text().splitlines()]
    accepted, refused = annotate_all(config, traces, chosen.out / "annotated.jsonl", lambda: None)
    print(f"{len(PROBLEMS)} problems, {len(traces)} solved, {accepted} accepted")
    for stage, count in sorted(refused.items()):
        print(f"  refused by {stage}: {count}")


if __name__ == "__main__":
    main()
