"""What came of one completion, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from weaver_sdk.backends.base import TokenLogprob
from weaver_sdk.result import Outcome
from weaver_sdk.runtime.watch import Mark


@dataclass(frozen=True)
class End:
    """How a completion ended, short of an error."""

    by: Literal["stop", "eos", "length", "tokens", "seconds"]
    """`length` is the server's limit; `tokens` and `seconds` are ours."""
    mark: Mark | None = None
    """What it stopped at, where it did."""

    @property
    def outcome(self) -> Outcome:
        """The same, in the words of a result."""
        if self.mark is not None:
            return self.mark.outcome
        outcomes: dict[str, Outcome] = {"tokens": "length", "seconds": "timeout", "length": "length"}
        return outcomes.get(self.by, "eos")


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model wrote when it was asked."""

    text: str
    outcome: Outcome
    """`done` at its own end or at a stop string; `eos` where the sequence ended before a stop string came;
    `length` and `timeout` where a limit cut it."""
    tokens: int
    cut_by: Literal["call", "budget", "server"] | None = None
    """Whose limit cut it: the call's own, the run's budget, or the server's; `None` where none did."""
    reasoning: str = ""
    """What a chat server sent in a field of its own, beside the text."""
    stopped_at: Mark | None = None
    """What it stopped at; `None` for its own end, and where a limit cut it."""
    model: str = "main"
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of each token, where they were asked for and the server reports them."""
