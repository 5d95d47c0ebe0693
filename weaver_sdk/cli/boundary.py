"""Where errors become one line and an exit code. No traceback leaves here for anything a user can act on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say on stderr what went wrong, and leave."""
    from weaver_sdk.cli.cells import safe

    typer.secho(f"weaver: {safe(message)}", fg=typer.colors.RED, err=True)
    raise typer.Exit(code)


def run_command(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run the work of a command and leave with the exit code that it returns."""
    from weaver_sdk.errors import BudgetError, ConfigurationError, WeaverError

    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (ConfigurationError, BudgetError) as error:
        fail(str(error), USAGE)
    except WeaverError as error:
        fail(str(error))
    raise typer.Exit(code)
