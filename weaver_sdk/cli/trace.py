"""`weaver trace`: what can be done with the file that `--trace` writes."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Look at recorded runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
