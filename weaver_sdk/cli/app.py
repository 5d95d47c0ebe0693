"""The commands, in one table. A command is a module of its own that imports nothing heavy at its top:
`weaver --help` loads all of them, and a page of help must come at once."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from weaver_sdk.cli import chat, doctor, serve, solve, trace
from weaver_sdk.cli.local import LocalCommand

app = typer.Typer(
    name="weaver",
    help="Make a language model think in parallel, on any OpenAI-compatible server.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: loading Rich would take longer than all the rest
    pretty_exceptions_enable=False,
    # a page of help may be as wide as the terminal, up to what is still read with ease
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

app.command("solve", cls=LocalCommand)(solve.solve)
app.command("chat", cls=LocalCommand)(chat.chat)
app.command("doctor")(doctor.doctor)
app.add_typer(serve.app, name="serve")
app.add_typer(trace.app, name="trace")


def _version(asked: bool) -> None:
    if asked:
        from weaver_sdk import __version__

        typer.echo(f"weaver {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def run() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a character that the terminal's encoding lacks is shown as "?", and no error
            stream.reconfigure(errors="replace")
    app()
