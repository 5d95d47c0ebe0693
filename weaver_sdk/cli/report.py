"""What stands below a run: the answer, and its cost: a line of timing in a conversation, else a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from weaver_sdk.cli.cells import one_line, safe
from weaver_sdk.cli.maths import readable
from weaver_sdk.cli.scene import answer
from weaver_sdk.cli.timeline_view import draw_timeline
from weaver_sdk.result import Repair, Result, Telemetry
from weaver_sdk.telemetry.report import repairs, rows, timing_parts
from weaver_sdk.telemetry.timeline import Timeline


def print_answer(said: str, out: Console) -> None:
    """Print what the model says to the user, as Markdown; nothing where it says nothing."""
    if said:
        out.print()
        out.print(answer(said))


def timing_lines(telemetry: Telemetry, width: int) -> list[str]:
    """Return the line of timing, broken between its parts where the width is too small."""
    lines: list[str] = []
    for part in timing_parts(telemetry):
        if lines and len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return lines


def print_timeline(timeline: Timeline, console: Console) -> None:
    """Print a past run: its problem, its lanes over time, its answer and its cost."""
    console.print(Text(one_line(timeline.problem) or "a run without its beginning", style="bold"))
    console.print(
        Text(f"{one_line(timeline.model)} · {timeline.mode} · run {one_line(timeline.run_id)}", style="dim")
    )
    console.print()
    console.print(draw_timeline(timeline, console.width))
    if timeline.result is not None:
        answer = timeline.result.answer
        console.print()
        console.print(Text("no answer" if answer is None else f"answer: {one_line(readable(answer))}"))
        print_cost(timeline.result, console)
    console.print()


def print_timing(result: Result, console: Console) -> None:
    """Print the line of timing, and what was mended outside threads: the lanes have shown the rest."""
    if result.telemetry.total_tokens == 0:
        return  # nothing came back: the error says all
    console.print()
    for line in timing_lines(result.telemetry, console.width):
        console.print(Text(line, style="bold"))
    _print_repairs([repair for repair in result.repairs if repair.thread is None], console)


def print_cost(result: Result, console: Console) -> None:
    """Print every measure, and every repair below."""
    if result.telemetry.total_tokens == 0:
        return
    console.print()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    explained = console.width >= 70
    if explained:
        grid.add_column(style="dim")
    for row in rows(result):
        cells = (Text(one_line(row.name)), Text(row.value), Text(one_line(row.meaning)))
        grid.add_row(*cells if explained else cells[:2])
    console.print(grid)
    _print_repairs(result.repairs, console)


def _print_repairs(mended: Sequence[Repair], console: Console) -> None:
    for repair in repairs(mended):
        console.print(Text(f"repaired: {one_line(safe(repair))}", style="yellow"))
