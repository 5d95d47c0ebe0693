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
