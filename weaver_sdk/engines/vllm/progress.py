"""The progress of a starting vLLM, read from its log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Phase = Literal[
    "importing",
    "reading the model",
    "downloading",
    "starting the engine",
    "loading weights",
    "warming up",
    "trying it",
    "ready",
]
"""In this order; some may be skipped."""

_PHASES: tuple[Phase, ...] = get_args(Phase)

_MARKERS: tuple[tuple[str, Phase], ...] = (
    ("non-default args", "reading the model"),
    ("Fetching ", "downloading"),
    ("Resolved architecture", "starting the engine"),
    ("Starting to load model", "loading weights"),
    ("Loading safetensors checkpoint shards", "loading weights"),
    ("Loading pt checkpoint shards", "loading weights"),
    ("Loading weights took", "warming up"),
    ("Model loading took", "warming up"),
    ("Starting vLLM", "trying it"),
)
_SHARDS = re.compile(r"shards:\s+(\d+)% Completed")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a start."""

    phase: Phase
    seconds: float
    """Since the start."""
    percent: int | None = None
    """Of the weights, while they are loading."""


class StartLog:
    """Reads the log of a starting server as it grows."""

    def __init__(self, file: Path, start: int = 0) -> None:
        self._file = file
        self._start = self._offset = start
        self._unfinished = ""
        self._phase_index = 0
        self._percent: int | None = None

    def look(self, seconds: float) -> Progress:
        """Read the new part of the log, and return the progress. It never goes back.

        Args:
            seconds: since the start.
        """
        with self._file.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        lines = re.split(r"[\r\n]", self._unfinished + data.decode("utf-8", "replace"))
        self._unfinished = lines.pop()
        for line in lines:
            self._read(line)
        return self.at(_PHASES[self._phase_index], seconds)

    def at(self, phase: Phase, seconds: float) -> Progress:
        """Record a phase that the log does not show, and return the progress."""
        self._phase_index = max(self._phase_index, _PHASES.index(phase))
        reached = _PHASES[self._phase_index]
        return Progress(
            phase=reached, seconds=seconds, percent=self._percent if reached == "loading weights" else None
        )

    def lines(self) -> list[str]:
        """Return all lines since the start."""
        with self._file.open("rb") as file:
            file.seek(self._start)
            text = file.read().decode("utf-8", "replace")
        return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]

    def _read(self, line: str) -> None:
        for marker, phase in _MARKERS:
            if marker in line:
                self._phase_index = max(self._phase_index, _PHASES.index(phase))
        if shards := _SHARDS.search(line):
            self._percent = int(shards[1])
