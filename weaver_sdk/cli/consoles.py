"""The two consoles of a command. Colours follow the terminal, `NO_COLOR` and `--plain`."""

from __future__ import annotations

from rich.console import Console


def output_console(plain: bool = False) -> Console:
    """Return the console on stdout."""
    return Console(highlight=False, soft_wrap=False, no_color=True if plain else None)


def error_console(plain: bool = False) -> Console:
    """Return the console on stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=False, no_color=True if plain else None)
