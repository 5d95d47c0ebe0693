"""Draws the screens of docs/terminal.md from real runs.

    python docs/assets/screens.py ["QUESTION"] [--base-url URL]

Without an address the embedded engine and the packaged model answer.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.text import Text

from weaver_sdk import ParallelReasoner
from weaver_sdk.cli.chat.race import draw_outcome, draw_race
from weaver_sdk.cli.lanes import Board
from weaver_sdk.cli.report import timing_lines
from weaver_sdk.cli.scene import answer
from weaver_sdk.cli.timeline_view import draw_timeline
from weaver_sdk.cli.view import draw, fold
from weaver_sdk.events import Event
from weaver_sdk.options import Mode
from weaver_sdk.result import final_text
from weaver_sdk.telemetry.timeline import build_timeline

HERE = Path(__file__).parent
# without the fonts that Rich would load from another site
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "font-family: Fira Code,", "font-family: ui-monospace, Menlo, Consolas,"
)


def save(name: str, title: str, width: int, *parts: RenderableType) -> None:
    """Write one screen as SVG."""
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for part in parts:
        console.print(part, highlight=False)
    (HERE / f"{name}.svg").write_text(console.export_svg(title=title, code_format=FORMAT, unique_id=name))
    print(f"{name}.svg")


async def record(reasoner: ParallelReasoner, question: str, mode: Mode) -> list[Event]:
    """Run the question and return its events."""
    async with reasoner.stream(question, mode=mode) as run:
        return [event async for event in run]


def at_share(events: list[Event], share: float) -> Board:
    """Return the board at a moment inside the first block: 0 at its fork, 1 at its join."""
    opened = next(event.at for event in events if event.kind == "fork_opened")
    joined = next(event.at for event in events if event.kind == "joined")
    return until(events, opened + share * (joined - opened))


def until(events: list[Event], moment: float) -> Board:
    """Return the board at a moment, seconds since the run began."""
    board = Board()
    for event in events:
        if event.at <= moment:
            board.apply(event)
    return board


def prompt(question: str) -> Text:
    """Return the line in which a question was typed."""
    return Text.assemble(("› ", "bold cyan"), question)


async def main() -> None:
    """Run the question in both modes and draw the screens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default="Compute 47*86 + 93*12")
    parser.add_argument("--base-url")
    asked = parser.parse_args()
    question, url = asked.question, asked.base_url
    async with ParallelReasoner(base_url=url) if url else ParallelReasoner.local() as reasoner:
        events = await record(reasoner, question, "parallel")
        baseline = await record(reasoner, question, "sequential")
    board, moment = until(events, events[-1].at), at_share(events, 0.55)
    assert board.result is not None
    folded = [fold(board, block, 98) for block in board.blocks.values() if block.parent is None]
    cost = [Text(line, style="bold") for line in timing_lines(board.result.telemetry, 98)]
    save("terminal-lanes", "weaver chat", 98, prompt(question), draw(moment, 98, 24, moment.at))
    save("terminal-narrow", "weaver chat", 48, prompt(question), draw(moment, 48, 30, moment.at))
    said = answer(final_text(board.result))
    save("terminal-answer", "weaver chat", 98, prompt(question), *folded, Text(), said, Text(), *cost)
    both = [moment, until(baseline, moment.at)]
    for one, mode in zip(both, ("parallel", "sequential"), strict=True):
        one.mode = mode
    save("terminal-race", "/mode both", 110, prompt(question), draw_race(both, 110, 24, moment.at))
    ends = [board, until(baseline, baseline[-1].at)]
    save("terminal-outcome", "/mode both", 98, prompt(question), *folded, draw_outcome(ends, 98))
    save("terminal-timeline", "weaver trace show", 98, draw_timeline(build_timeline(events), 98))


if __name__ == "__main__":
    asyncio.run(main())
