"""One question asked in one way, and the file that keeps the rows. Plain data that dumps to JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came back, and what it took but for the clock."""

    text: str
    tokens: int
    """All that the model wrote."""
    critical_tokens: int
    """Those that had to be written one after the other."""
    at_limit: int = 0
    """Texts that the token limit ended."""
    threads: int = 0
    """Parts written at the same time; 0 if the answer was not divided."""
    no_fork_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question, asked in one way."""

    question: str
    """Its id."""
    way: str
    answered: Answered
    seconds: float | None
    """Wall clock; `None` if other questions ran beside it."""
    first_text: float | None
    """Seconds until text of the answer could be read; `None` likewise, and if there was none."""
    load: float
    """The machine's load average when it began."""


@dataclass(kw_only=True)
class Record:
    """All rows of one model on one server, written to a file after each of them."""

    model: str
    max_tokens: int
    streams: dict[str, float] = field(default_factory=dict)
    """The server's tokens a second, by the number of streams at once."""
    rows: list[Row] = field(default_factory=list)

    def has(self, question: str, way: str) -> bool:
        """Return whether there is a row already."""
        return any((row.question, row.way) == (question, way) for row in self.rows)

    def save(self, path: Path) -> None:
        """Write everything; a file that is there is replaced in one step."""
        beside = path.with_name(path.name + ".new")
        beside.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.replace(path)


def load(path: Path) -> Record:
    """Read the file that `Record.save` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**(row | {"answered": Answered(**row["answered"])})) for row in data.pop("rows")]
    return Record(**data, rows=rows)
