"""What ends a strategy's program when the budget of its run is spent."""

from __future__ import annotations

from typing import Literal


class BudgetSpent(BaseException):
    """Raised through a strategy's code by the call that finds the budget spent.

    It is no error: the run goes on with `conclude`, within the reserve. It is not an `Exception`, so that
    code which catches those does not catch it by chance. Let it pass.
    """

    def __init__(self, by: Literal["tokens", "seconds", "forks"]) -> None:
        super().__init__(f"the budget of the run is spent: {by}")
        self.by = by


def spent_in(error: BaseException) -> BudgetSpent | None:
    """Return that the budget is spent, where an error says that and nothing else; a task group wraps it."""
    if isinstance(error, BudgetSpent):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    inside = [spent_in(one) for one in error.exceptions]
    return inside[0] if None not in inside else None
