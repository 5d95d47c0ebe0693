"""What a scope can tell of its line and its run; and how its thread ended, in its own word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from weaver_sdk.backends.base import Backend
from weaver_sdk.messages import Message
from weaver_sdk.options import Mode, Sampling
from weaver_sdk.result import Outcome
from weaver_sdk.runtime.ledger import BudgetView
from weaver_sdk.runtime.lines import LiveThread, Spans
from weaver_sdk.runtime.state import RunState

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


class View:
    """One line of a run, to look at."""

    def __init__(self, state: RunState, line: LiveThread) -> None:
        self._state = state
        self._line = line
        self._outcome: Outcome | None = None
        self._alive = True

    def __repr__(self) -> str:
        return f"<Scope {self._line.where(self._state.config.run_id)}>"

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that the run was given; its last turn is the problem."""
        return self._state.config.asked

    @property
    def mode(self) -> Mode:
        """Whether the run may fork at all."""
        return self._state.config.mode

    @property
    def metered(self) -> bool:
        """Whether tokens cost money, so that none should be spent on the chance."""
        return self._state.config.metered

    @property
    def sampling(self) -> Sampling:
        """How the run picks tokens where a call says nothing else."""
        return self._state.config.sampling

    @property
    def label(self) -> str:
        """What this thread works on, in words; "" on the main line."""
        return self._line.label

    @property
    def place(self) -> tuple[int, int] | None:
        """(fork, thread), counted from 1; `None` on the main line."""
        return self._line.place

    @property
    def text(self) -> str:
        """What this line holds so far."""
        return self._line.text

    @property
    def spans(self) -> Spans:
        """The same in stretches, each with its tokens where they are known."""
        return tuple(self._line.spans())

    @property
    def outcome(self) -> Outcome:
        """How the thread ended; `cancelled` while it runs. Set it to say so before its function returns."""
        return self._outcome or self._line.outcome

    @outcome.setter
    def outcome(self, outcome: Outcome) -> None:
        self._live()
        self._outcome = outcome

    @property
    def budget(self) -> BudgetView:
        """What this line may still spend."""
        return self._state.ledger.left(self._line, self._state.recorder.now())

    @property
    def forks(self) -> int:
        """How many forks the run has made."""
        return self._state.forks

    @property
    def forks_left(self) -> int:
        """How many more the mode and the budget allow from this line; 0 where it lies too deep."""
        budget, state = self._state.config.budget, self._state
        allowed = self._line.depth < budget.max_depth and budget.max_threads > 0 and self.mode == "parallel"
        return max(0, budget.max_forks - state.forks) if allowed else 0

    @property
    def max_threads(self) -> int:
        """How many threads a fork may have."""
        return self._state.config.budget.max_threads

    @property
    def models(self) -> Mapping[str, Backend]:
        """The models that `ask` and `extend` may name."""
        return {name: model.backend for name, model in self._state.config.models.items()}

    @property
    def ended(self) -> Sequence[Scope]:
        """The threads of the run that have ended, in the order of their ends."""
        return tuple(self._state.ended)

    def _live(self) -> None:
        if not self._alive:
            raise RuntimeError(f"{self!r} has ended: use a scope only within the function it was given to")
