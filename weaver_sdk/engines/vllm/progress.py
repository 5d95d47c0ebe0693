"""How far a starting vLLM has come, by what it logs."""

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
"""In this order; some may be left out."""

_PHASES: tuple[Phase, ...] = get_args(Phase)

_SIGNS: tuple[tuple[str, Phase], ...] = (
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
    """How far a start has come."""

    phase: Phase
    seconds: float
    """Since the start."""
    percent: int | None = None
    """Of the weights that are loaded, while they are."""


class StartLog:
    """The log of a starting server, read as it grows."""

    def __init__(self, file: Path, begin: int = 0) -> None:
        self._file = file
        self._begin = self._read_to = begin
        self._unfinished = ""
        self._level = 0
        self._percent: int | None = None

    def look(self, seconds: float) -> Progress:
        """Return how far the start has come by now; it never goes back.

        Args:
            seconds: since the start.
        """
        with self._file.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        self._read_to += len(data)
        lines = re.split(r"[\r\n]", self._unfinished + data.decode("utf-8", "replace"))
        self._unfinished = lines.pop()
        for line in lines:
            self._read(line)
        return self.at(_PHASES[self._level], seconds)

    def at(self, phase: Phase, seconds: float) -> Progress:
        """Return that a phase has been reached of which nothing is logged."""
        self._level = max(self._level, _PHASES.index(phase))
        reached = _PHASES[self._level]
        return Progress(
            phase=reached, seconds=seconds, percent=self._percent if reached == "loading weights" else None
        )

    def lines(self) -> list[str]:
        """Return all lines since the start."""
        with self._file.open("rb") as file:
            file.seek(self._begin)
            text = file.read().decode("utf-8", "replace")
        return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]

    def _read(self, line: str) -> None:
        for sign, phase in _SIGNS:
            if sign in line:
                self._level = max(self._level, _PHASES.index(phase))
        if shards := _SHARDS.search(line):
            self._percent = int(shards[1])
