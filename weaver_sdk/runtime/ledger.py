"""What a run may still spend: checked at every chunk, and told to the server as `max_tokens`."""

from __future__ import annotations

from collections.abc import Iterator

from weaver_sdk.options import Budget
from weaver_sdk.runtime.lines import Block, Line, Piece


class Ledger:
    """Holds a run to its budget. A part of each limit is kept back for the answer until `open_reserve()`."""

    def __init__(self, budget: Budget, main: Line) -> None:
        self._budget = budget
        self._main = main
        self._reserve_open = False
        self._spent = 0
        self._allowance: int | None = None

    @property
    def deadline(self) -> float | None:
        """Seconds after the start of the run at which its work ends; `None` for no limit."""
        limit = self._budget.seconds
        if limit is None or self._reserve_open:
            return limit
        return limit - min(self._budget.reserve_seconds, limit / 4)

    def spend(self, tokens: int) -> None:
        """Note tokens as they arrive; a correction may be negative."""
        self._spent += tokens

    def exhausted(self) -> bool:
        """Tell whether the tokens of the whole run are used up."""
        limit = self._tokens(self._budget.total_tokens)
        return limit is not None and self._spent >= limit

    def allowance(self, line: Line) -> int | None:
        """Return how many tokens the next piece of a line may have; `None` for no limit."""
        limits = list(self._limits(line))
        return max(0, min(limits)) if limits else None

    def open_reserve(self) -> None:
        """Free what was kept back for the answer."""
        self._reserve_open = True
        # Where only time or a thread was limited, the answer still has to be short.
        self._allowance = self._spent + self._budget.reserve_tokens

    def _limits(self, line: Line) -> Iterator[int]:
        total = self._tokens(self._budget.total_tokens)
        if total is not None:
            yield total - self._spent
        critical = self._tokens(self._budget.critical_path_tokens)
        if critical is not None:
            yield critical - _critical_until(self._main, line)
        if line.place is not None and self._budget.thread_tokens is not None:
            yield self._budget.thread_tokens - line.critical_tokens()
        if self._allowance is not None:
            yield self._allowance - self._spent

    def _tokens(self, limit: int | None) -> int | None:
        if limit is None or self._reserve_open:
            return limit
        return limit - min(self._budget.reserve_tokens, limit // 4)


def _critical_until(root: Line, line: Line) -> int:
    """Return the tokens on the path from the start of the run to the end of `line`."""
    if root is line:
        return root.critical_tokens()
    before = 0
    for part in root.parts:
        if isinstance(part, Piece):
            before += part.tokens
        elif inside := _holding(part, line):
            return before + _critical_until(inside, line)
        else:
            before += max((thread.critical_tokens() for thread in part.lines), default=0)
    return before


def _holding(block: Block, line: Line) -> Line | None:
    """Return the thread of a block that is `line` or has it somewhere inside."""
    for thread in block.lines:
        if thread is line:
            return thread
        for part in thread.parts:
            if isinstance(part, Block) and _holding(part, line):
                return thread
    return None
