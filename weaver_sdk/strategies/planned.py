"""A model that answers questions: plan, parts and join are separate requests.

The result's text is the trajectory that a trained model would have written. What the model itself writes is
text: tags in it are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup import Dialect, Outline, close_block
from weaver_sdk.strategies.bare import Bare
from weaver_sdk.strategies.native import fork_outlines
from weaver_sdk.strategies.prompted import SEEDED_THREADWEAVER, SEQUENTIAL_INSTRUCTION
from weaver_sdk.strategies.questions import (
    join_turns,
    outlines_of,
    part_turns,
    plan_schema,
    plan_turns,
)
from weaver_sdk.strategies.reading import read_trajectory
from weaver_sdk.strategies.stitched import outline_of
from weaver_sdk.strategies.tags import SpokenWatch, is_answering
from weaver_sdk.strategies.worked import EXAMPLES, WorkedExample

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


@dataclass(frozen=True, kw_only=True)
class PlannedStrategy:
    """How a model that writes no markup is led through a fork and a join, by separate requests.

    Raises:
        ConfigurationError: `max_parts` is less than 2, or `plan_tokens` less than 1.
    """

    name = "planned"
    dialect: Dialect = SEEDED_THREADWEAVER
    """The markup of the result's text; the model never sees it."""
    examples: tuple[WorkedExample, ...] = EXAMPLES
    """Shown to the model as questions with their plans."""
    max_parts: int = 6
    plan_tokens: int = 400
    """Tokens that a plan may have."""

    def __post_init__(self) -> None:
        if self.max_parts < 2:
            raise ConfigurationError(f"PlannedStrategy(max_parts={self.max_parts}): use 2 or more")
        if self.plan_tokens < 1:
            raise ConfigurationError(f"PlannedStrategy(plan_tokens={self.plan_tokens}): use 1 or more")

    async def run(self, scope: Scope) -> None:
        """Ask for a plan, work its parts out at once, and ask for the answer out of them."""
        if not scope.forks_left:
            await self._answer(scope)
            return
        plan = await scope.ask(
            plan_turns(scope.messages, self.examples),
            phase="plan",
            stop=SpokenWatch(self.dialect, "plan"),
            schema=plan_schema(self.max_parts),
            max_tokens=self.plan_tokens,
            keep=False,
        )
        opening, outlines, repairs = outlines_of(plan.text, self.dialect)
        scope.write(opening, phase="plan")
        for repair in repairs:
            scope.repaired(repair.kind, repair.done, fork=scope.forks + 1 if outlines else None)
        if outlines:
            await fork_outlines(scope, outlines, self._part, self.dialect)
        await self._answer(scope)

    async def conclude(self, scope: Scope) -> None:
        """Ask for the answer out of what there is."""
        if not is_answering(scope.text, self.dialect):
            scope.repaired("led_to_answer", "the budget was spent: reasoning closed, answer asked for")
        await self._answer(scope)

    def read(self, draft: Draft) -> Findings:
        """Return what the trajectory holds."""
        return read_trajectory(draft, self.dialect, trained=False)

    def sequential(self) -> Bare:
        """Return the baseline: the question alone."""
        return Bare(instruction=SEQUENTIAL_INSTRUCTION, name=self.name)

    async def _part(self, scope: Scope, outline: Outline) -> None:
        """Work out one part."""
        turns = part_turns(scope.messages, self.examples, outline.text)
        said = await scope.ask(turns, phase="reasoning", stop=SpokenWatch(self.dialect, "reasoning", " "))
        if said.outcome == "done" and not said.text.strip():
            scope.outcome = "empty"
        elif said.outcome == "done" and not said.text.endswith(self.dialect.thread_end):
            scope.write(self.dialect.thread_end, phase="plan")

    async def _answer(self, scope: Scope) -> None:
        """Close the reasoning where there is any, and ask for the answer, out of the parts that there are."""
        text, dialect = scope.text, self.dialect
        if text and not is_answering(text, dialect):
            parts = close_block(dialect) if scope.ended and dialect.block_closed_by == "model" else ""
            think = f"{dialect.think[1]}\n" if dialect.reasons_in_think else ""
            scope.write(("" if text.endswith("\n") else "\n") + parts + think, phase="plan")
        results = [(outline_of(thread), thread.text) for thread in sorted(scope.ended, key=_order)]
        turns = join_turns(scope.messages, results)
        await scope.ask(turns, stop=SpokenWatch(dialect, "answer"))


def _order(thread: Any) -> tuple[int, int]:
    place: tuple[int, int] = thread.place
    return place
