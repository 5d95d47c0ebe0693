"""Where errors become one line and an exit code. No traceback leaves here for anything a user can act on."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext
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


def run_command(work: Coroutine[Any, Any, int], *, warn: bool = True) -> NoReturn:
    """Run the work of a command and leave with the exit code that it returns.

    Args:
        warn: say on stderr what the package warns of.
    """
    import asyncio

    from weaver_sdk.errors import BudgetError, ConfigurationError, WeaverError

    try:
        with _warnings() if warn else nullcontext():
            code = asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (ConfigurationError, BudgetError) as error:
        fail(str(error), USAGE)
    except WeaverError as error:
        fail(str(error))
    raise typer.Exit(code)


@contextmanager
def _warnings() -> Iterator[None]:
    import logging

    class ToStderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            typer.secho(f"weaver: {record.getMessage()}", fg=typer.colors.YELLOW, err=True)

    handler = ToStderr(logging.WARNING)
    logger = logging.getLogger("weaver_sdk")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
