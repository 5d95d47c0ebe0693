"""Plan and solve: steps with their needs, worked out level by level, all steps of a level at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from weaver_sdk.messages import Message, with_text_after
from weaver_sdk.strategies.attempts import at_least_one
from weaver_sdk.strategies.steps import PLAN, Step, read_steps, steps_schema

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope

STEP = "Work out this step and nothing else: {step}"
"""Asks for one step."""

JOIN = "Give the answer to the question above, out of the results of the steps."
"""Asks for the answer."""


@dataclass(frozen=True)
class PlanAndSolve:
    """Asks for steps with their needs, works out at once what needs nothing open, then asks for the answer.

    Raises:
        ConfigurationError: `max_steps` or `plan_tokens` is less than 1.
    """

    max_steps: int = 8
    plan_tokens: int = 400
    """Tokens that a plan may have: held to a schema, small models write white space without end."""
    name = "plan_and_solve"

    def __post_init__(self) -> None:
        at_least_one(max_steps=self.max_steps, plan_tokens=self.plan_tokens)

    async def run(self, scope: Scope) -> None:
        """Plan, work the steps out level by level, and answer."""
        schema = steps_schema(self.max_steps)
        planned = await scope.ask(
            _asking(scope, {}, PLAN), phase="plan", schema=schema, max_tokens=self.plan_tokens, keep=False
        )
        waiting = read_steps(planned.text)[: self.max_steps]
        results: dict[int, str] = {}
        while waiting:
            ready = [step for step in waiting if step.needs <= results.keys()][: max(1, scope.max_threads)]
            waiting = [step for step in waiting if step not in ready]
            worked = await scope.fork(
                ready, partial(_work_out, results=results), label=lambda step: step.do, phase="reasoning"
            )
            results |= {step.number: one.text for step, one in zip(ready, worked, strict=True)}
            scope.write("\n\n", phase="reasoning")
        await self.conclude(scope)

    async def conclude(self, scope: Scope) -> None:
        """Ask for the answer out of the steps that were worked out; without any, ask the question itself."""
        results = {one.item.number: one.text for one in scope.ended if isinstance(one.item, Step)}
        await scope.ask(_asking(scope, results, JOIN) if results else scope.messages)


async def _work_out(scope: Scope, step: Step, results: Mapping[int, str]) -> None:
    needed = {number: results[number] for number in sorted(step.needs)}
    await scope.ask(_asking(scope, needed, STEP.format(step=step.do)), phase="reasoning")


def _asking(scope: Scope, results: Mapping[int, str], asked: str) -> list[Message]:
    """Return the conversation with results of steps and what is asked now after its question."""
    known = "".join(f"Result of step {number}:\n{text.strip()}\n\n" for number, text in results.items())
    return with_text_after(scope.messages, f"{known}{asked}")
