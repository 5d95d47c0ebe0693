"""`weaver trace`: what can be done with the file that `--trace` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weaver_sdk.cli import flags
from weaver_sdk.cli.boundary import run_command

if TYPE_CHECKING:
    from weaver_sdk.telemetry.timeline_file import TraceFile

app = typer.Typer(
    help="Look at recorded runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def trace() -> None:
    """Look at recorded runs."""


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A file that --trace wrote.")],
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page, with the text on hover.")
    ] = None,
    perfetto: Annotated[
        Path | None, typer.Option(help="Write a trace for ui.perfetto.dev or chrome://tracing.")
    ] = None,
    plain: flags.Plain = False,
) -> None:
    """Draw a recorded run: its lanes over time, and what it cost.

    A file that breaks off in the middle of a run is shown as far as it goes.
    """

    async def work() -> int:
        return _show(file, html, perfetto, plain)

    run_command(work())


def _show(file: Path, html: Path | None, perfetto: Path | None, plain: bool) -> int:
    from weaver_sdk.cli.consoles import error_console, output_console
    from weaver_sdk.telemetry.timeline import build_timeline
    from weaver_sdk.telemetry.timeline_file import read_trace

    read = read_trace(file)
    timelines = [build_timeline(events) for events in read.runs]
    notes = _notes(file, read)
    err = error_console(plain)
    for note in notes:
        err.print(note, style="yellow", markup=False, soft_wrap=True)
    if html is not None:
        from weaver_sdk.telemetry.timeline_html import timeline_page

        _write(html, timeline_page(timelines, notes))
    if perfetto is not None:
        from weaver_sdk.telemetry.timeline_perfetto import perfetto_json

        _write(perfetto, perfetto_json(timelines))
    if html is None and perfetto is None:
        from weaver_sdk.cli.report import print_timeline

        out = output_console(plain)
        for timeline in timelines:
            print_timeline(timeline, out)
    return 0


def _notes(file: Path, read: TraceFile) -> list[str]:
    """Say what of the file could not be read."""
    notes = []
    if read.unreadable:
        lines = ", ".join(map(str, read.unreadable[:5])) + (", …" if len(read.unreadable) > 5 else "")
        notes.append(f"{file}: {len(read.unreadable)} lines are no events and were left out (line {lines})")
    if read.broken_off:
        notes.append(f"{file}: the end of {len(read.broken_off)} of {len(read.runs)} runs is missing")
    return notes


def _write(file: Path, text: str) -> None:
    from weaver_sdk.errors import ConfigurationError

    try:
        file.write_text(text, "utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
    typer.echo(f"wrote {file}", err=True)
