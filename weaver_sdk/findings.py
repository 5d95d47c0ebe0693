"""What a strategy says of a run: from its text to its answer."""

from __future__ import annotations

from dataclasses import dataclass

from weaver_sdk.options import Mode
from weaver_sdk.result import Finish, NoForkReason, Repair


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A finished run, given to its strategy to read the answer from."""

    text: str
    prompt: str
    """The prompt that the text continues; "" if no request did."""
    answer: str
    """The main line's text of phase "answer"."""
    forks: int
    finish: Finish
    mode: Mode
    repairs: tuple[Repair, ...] = ()
    max_depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a strategy reads from a run's text."""

    answer: str | None
    well_formed: bool = True
    exact: bool = True
    no_fork_reason: NoForkReason = "not_divided"
    """Why there is no fork, if there is none and no limit forbade it."""
