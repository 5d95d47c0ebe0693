"""What stands below a run: the answer, one line of timing, a short table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from weaver_sdk.cli.cells import one_line, safe
from weaver_sdk.cli.consoles import is_screen
from weaver_sdk.cli.maths import readable
from weaver_sdk.cli.scene import answer
from weaver_sdk.cli.timeline_view import draw_timeline
from weaver_sdk.result import Result, Telemetry, final_text
from weaver_sdk.telemetry.report import repairs, rows, timing_parts
from weaver_sdk.telemetry.timeline import Timeline


def print_answer(result: Result, out: Console) -> None:
    """Print the answer: as Markdown on a terminal, else the bare answer, for scripts."""
    if is_screen(out):
        out.print()
        out.print(answer(final_text(result)))
    else:
        out.file.write(f"{result.answer}\n")
        out.file.flush()


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
        told = timeline.result.answer
        console.print()
        console.print(Text("no answer" if told is None else f"answer: {one_line(readable(told))}"))
        print_timing(timeline.result, console)
    console.print()


def print_timing(result: Result, console: Console, *, table: bool = True) -> None:
    """Print the line of timing; with `table`, every measure and every repair below it."""
    if result.telemetry.total_tokens == 0:
        return  # nothing came back: the error says all
    console.print()
    for line in timing_lines(result.telemetry, console.width):
        console.print(Text(line, style="bold"))
    if not table:
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    explained = console.width >= 70
    if explained:
        grid.add_column(style="dim")
    for row in rows(result):
        cells = (Text(row.name), Text(row.value), Text(row.meaning))
        grid.add_row(*cells if explained else cells[:2])
    console.print(grid)
    for repair in repairs(result):
        console.print(Text(f"repaired: {one_line(safe(repair))}", style="yellow"))
