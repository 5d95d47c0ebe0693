"""What a run may still spend: checked at every chunk, and sent to the server as `max_tokens`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from weaver_sdk.options import Budget
from weaver_sdk.runtime.lines import LiveFork, LiveThread, critical_part
from weaver_sdk.telemetry.measures import longest_path


@dataclass(frozen=True, kw_only=True)
class BudgetView:
    """What is left at one moment; `None` is no limit. The reserve for the answer is not in it."""

    tokens: int | None
    critical_path_tokens: int | None
    seconds: float | None


class Ledger:
    """Holds a run to its budget. A part of each limit is kept back for the answer until `open_reserve()`."""

    def __init__(self, budget: Budget, main: LiveThread) -> None:
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
        """Return whether the tokens of the whole run are used up."""
        limit = self._tokens(self._budget.total_tokens)
        return limit is not None and self._spent >= limit

    def allowance(self, line: LiveThread) -> int | None:
        """Return how many tokens the next piece of a line may have; `None` for no limit."""
        limits = list(self._limits(line))
        return max(0, min(limits)) if limits else None

    def spent(self, line: LiveThread, now: float) -> Literal["tokens", "seconds"] | None:
        """Return which limit of the whole run is used up at the end of a line, if one is."""
        if self.deadline is not None and now >= self.deadline:
            return "seconds"
        limits = list(self._run_limits(line))
        return "tokens" if limits and min(limits) <= 0 else None

    def left(self, line: LiveThread, now: float) -> BudgetView:
        """Return what is left at the end of a line; `now` in seconds since the run began."""
        total = self._tokens(self._budget.total_tokens)
        critical = self._tokens(self._budget.critical_path_tokens)
        on_path = _critical_until(self._main, line)
        return BudgetView(
            tokens=None if total is None else max(0, total - self._spent),
            critical_path_tokens=None if critical is None else max(0, critical - on_path),
            seconds=None if self.deadline is None else max(0.0, self.deadline - now),
        )

    def open_reserve(self) -> None:
        """Free what was kept back for the answer."""
        self._reserve_open = True
        # Where only time or a thread was limited, the answer still has to be short.
        self._allowance = self._spent + self._budget.reserve_tokens

    def _limits(self, line: LiveThread) -> Iterator[int]:
        yield from self._run_limits(line)
        if line.place is not None and self._budget.thread_tokens is not None:
            yield self._budget.thread_tokens - line.critical_tokens()

    def _run_limits(self, line: LiveThread) -> Iterator[int]:
        total = self._tokens(self._budget.total_tokens)
        if total is not None:
            yield total - self._spent
        critical = self._tokens(self._budget.critical_path_tokens)
        if critical is not None:
            yield critical - _critical_until(self._main, line)
        if self._allowance is not None:
            yield self._allowance - self._spent

    def _tokens(self, limit: int | None) -> int | None:
        if limit is None or self._reserve_open:
            return limit
        return limit - min(self._budget.reserve_tokens, limit // 4)


def _critical_until(root: LiveThread, line: LiveThread) -> int:
    """Return the tokens on the path from the start of the run to the end of `line`."""
    if root is line:
        return root.critical_tokens()
    for index, part in enumerate(root.parts):
        if isinstance(part, LiveFork) and (inside := _holding(part, line)) is not None:
            before = int(longest_path(map(critical_part, root.parts[:index])))
            return before + _critical_until(inside, line)
    return root.critical_tokens()


def _holding(fork: LiveFork, line: LiveThread) -> LiveThread | None:
    """Return the thread of a fork that is `line` or has it somewhere inside."""
    for thread in fork.threads:
        if thread is line:
            return thread
        for part in thread.parts:
            if isinstance(part, LiveFork) and _holding(part, line):
                return thread
    return None
