"""The trace file: every event of a run as one line of JSON, readable even if the run broke off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.events import Event, dump_event, load_event


@contextmanager
def recording(file: Path | None, *, append: bool = False) -> Iterator[Callable[[Event], None]]:
    """Yield a function that appends an event to the file as a line; without a file it records nothing.

    Args:
        append: keep the runs that are already in the file.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if file is None:
        yield lambda event: None
        return
    try:
        out = file.open("a" if append else "w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
    with out:
        yield lambda event: _write(out.write, event)


def _write(write: Callable[[str], int], event: Event) -> None:
    write(dump_event(event) + "\n")


@dataclass(frozen=True, kw_only=True)
class TraceFile:
    """What a trace file holds."""

    runs: list[list[Event]]
    """The events of each run, in order; a file may hold several."""
    unreadable: list[int] = field(default_factory=list)
    """The numbers of the lines that are not events."""

    @property
    def broken_off(self) -> list[str]:
        """The ids of the runs without an end."""
        return [run[0].run_id for run in self.runs if run[-1].kind != "run_finished"]


def read_trace(file: Path) -> TraceFile:
    """Read a trace file, skipping unreadable lines.

    Raises:
        ConfigurationError: the file cannot be read, or no line of it is an event.
    """
    runs: dict[str, list[Event]] = {}
    unreadable: list[int] = []
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    event = load_event(line)
                except ValueError:
                    unreadable.append(number)
                    continue
                runs.setdefault(event.run_id, []).append(event)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    if not runs:
        raise ConfigurationError(f"{file} holds no events: give a file that `--trace` wrote")
    return TraceFile(runs=list(runs.values()), unreadable=unreadable)
