"""`weaver doctor`: what a server can do, what follows from it, what would be better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from weaver_sdk.cli import flags
from weaver_sdk.cli.boundary import FAILED, USAGE, fail, run_command

if TYPE_CHECKING:
    from weaver_sdk.doctor.report import ServerReport
    from weaver_sdk.settings import Server


def doctor(
    url: Annotated[
        str | None, typer.Argument(help="Address of the server, up to /v1; else WEAVER_BASE_URL.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model at the server. Or set WEAVER_MODEL.")
    ] = None,
    api_key: flags.ApiKey = None,
    api: flags.ApiName = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="The most requests that are tried at once.")
    ] = 8,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as one line of JSON.")] = False,
    plain: flags.Plain = False,
) -> None:
    """Ask a server for a few short texts, and say what it can do.

    It costs some 600 tokens. What it measures of requests at once is kept for a week, and used by `auto`.
    Exit codes: 0 the server can be used, 1 it cannot, 2 wrong use.
    """

    async def work() -> int:
        from weaver_sdk.backends.side_by_side import STREAMS
        from weaver_sdk.doctor.diagnose import diagnose
        from weaver_sdk.kept_measures import Measured, keep_measure
        from weaver_sdk.markup.dialect import THREADWEAVER

        server = _server(url, api_key, model)
        found = await diagnose(
            server.base_url,
            server.key,
            server.model,
            api=api or "auto",
            most=concurrency,
            tag=THREADWEAVER.thread[1],
        )
        if found.side_by_side is not None:
            keep_measure(
                Measured(server=found.base_url, model=found.model, streams=STREAMS), found.side_by_side
            )
        if json:
            _print_json(found)
        else:
            _print(found, plain)
        return 0 if found.api else FAILED

    run_command(work())


def _server(url: str | None, api_key: str | None, model: str | None) -> Server:
    from weaver_sdk.errors import ConfigurationError
    from weaver_sdk.settings import resolve_server

    try:
        return resolve_server(url, api_key, model)
    except ConfigurationError:  # its words are those of Python code
        fail("no server named: weaver doctor http://…/v1 (or set WEAVER_BASE_URL)", USAGE)


def _print_json(found: ServerReport) -> None:
    import json
    from dataclasses import asdict
    from datetime import datetime

    from weaver_sdk.cli.diagnosis import advice, consequences

    shown = {**asdict(found), "consequences": list(consequences(found)), "advice": list(advice(found))}
    typer.echo(json.dumps(shown, default=datetime.isoformat))


def _print(found: ServerReport, plain: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from weaver_sdk.cli.cells import one_line, safe
    from weaver_sdk.cli.consoles import output_console
    from weaver_sdk.cli.diagnosis import advice, consequences, rows

    out = output_console(plain)
    out.print(Text(found.base_url, style="bold"))
    grid = Table.grid(padding=(0, 2))
    for row in rows(found):
        mark, style = {True: ("✓", "green"), False: ("✗", "yellow"), None: (" ", "")}[row.good]
        grid.add_row(Text(mark, style=style), Text(row.name, style="dim"), Text(one_line(safe(row.found))))
    out.print(grid)
    for title, lines in (("weaver-sdk", consequences(found)), ("advice", advice(found))):
        shown = list(lines)
        if shown:
            out.print()
            out.print(Text(title, style="bold"))
        for line in shown:
            out.print(Text(f"  {line}"))
