"""Measures of servers, kept in the user's cache folder for a week.

What cannot be read is measured anew, and what cannot be written is not kept: both are logged, and no error.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter

from weaver_sdk.backends.side_by_side import SideBySide

_log = logging.getLogger("weaver_sdk")

KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured: one model on one server."""

    server: str
    """Its address, without credentials; or what names an engine and its settings."""
    model: str
    streams: int
    """Streams at once."""
    machine: str = platform.node()
    """Where it was measured: "127.0.0.1" is another server on each machine."""


@dataclass(frozen=True, kw_only=True)
class KeptMeasure:
    """One entry of the file."""

    of: Measured
    side_by_side: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """`SideBySide.figure`."""
    measured: AwareDatetime


def measures_file() -> Path:
    """Return where measures are kept: in `WEAVER_HOME`, else in the user's cache folder."""
    if named := os.environ.get("WEAVER_HOME"):
        folder = Path(named)
    elif named := os.environ.get("XDG_CACHE_HOME"):
        folder = Path(named) / "weaver"
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "weaver" / "Cache"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "weaver"
    else:
        folder = Path.home() / ".cache" / "weaver"
    return folder / "side_by_side.json"


def find_measure(of: Measured, now: datetime | None = None) -> KeptMeasure | None:
    """Return what was measured in the last week; `None` if nothing was, or if the file cannot be read."""
    return next((kept for kept in _read(now or datetime.now(UTC)) if kept.of == of), None)


def keep_measure(of: Measured, found: SideBySide, now: datetime | None = None) -> None:
    """Keep a measure in place of an older one. Entries that are too old are dropped."""
    others = [kept for kept in _read(now or datetime.now(UTC)) if kept.of != of]
    new = KeptMeasure(of=of, side_by_side=found.figure, measured=found.measured)
    try:
        _write(measures_file(), [*others, new])
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        _log.warning("the measure of %s is not kept: %s", of.server, error)


def _entries() -> TypeAdapter[list[KeptMeasure]]:
    return TypeAdapter(list[KeptMeasure])


def _read(now: datetime) -> list[KeptMeasure]:
    """Return the entries that are young enough. One from the future was written under a wrong clock."""
    try:
        file = measures_file()
        entries = _entries().validate_json(file.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, RuntimeError, ValueError) as error:
        _log.warning("measures of servers cannot be read and are made anew: %s", error)
        return []
    return [kept for kept in entries if timedelta(0) <= now - kept.measured <= KEPT_FOR]


def _write(file: Path, entries: Sequence[KeptMeasure]) -> None:
    """Write the file as a whole or not at all: other processes read and write it, too."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, written = tempfile.mkstemp(dir=file.parent, prefix=".side_by_side-")
    try:
        with os.fdopen(number, "wb") as out:
            out.write(_entries().dump_json(list(entries), indent=1) + b"\n")
        os.replace(written, file)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
