"""The two consoles of a command. Colours follow the terminal, `NO_COLOR` and `--plain`."""

from __future__ import annotations

import os
import stat

from rich.console import Console


def output_console(plain: bool = False) -> Console:
    """Return the console on stdout."""
    return _console(stderr=False, plain=plain)


def error_console(plain: bool = False) -> Console:
    """Return the console on stderr."""
    return _console(stderr=True, plain=plain)


def is_screen(console: Console) -> bool:
    """Whether somebody looks at it. Colours can be forced into a pipe; a picture that moves cannot."""
    return console.file.isatty()


def may_meet(out: Console, view: Console) -> bool:
    """Whether what is written to both may end up in one place, as in `… | cat` or `… > FILE 2>&1`."""
    try:
        mode = os.fstat(out.file.fileno()).st_mode
    except OSError:  # it is in memory
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or not is_screen(view)


def _console(*, stderr: bool, plain: bool) -> Console:
    if plain:
        return Console(stderr=stderr, highlight=False, color_system=None)
    return Console(stderr=stderr, highlight=False)
