"""Plan, write the parts at once, put them together: for models that were never trained to fork."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.messages import question_of
from weaver_sdk.runtime.forks import Stitching
from weaver_sdk.strategies.assembly import Assembly
from weaver_sdk.strategies.attempts import at_least_one
from weaver_sdk.strategies.bare import go_on
from weaver_sdk.strategies.opening import OpeningWatch
from weaver_sdk.strategies.part_watch import PartWatch
from weaver_sdk.strategies.parts import closing_turns, room_for, seed, write_part
from weaver_sdk.strategies.plan import (
    CLOSING_WORDS,
    TOKENS_PER_WORD,
    WORDS,
    Plan,
    PlanExample,
    plan_schema,
    plan_turns,
    read_plan,
)
from weaver_sdk.strategies.plan_examples import EXAMPLES

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope
    from weaver_sdk.runtime.speculation import Speculation


@dataclass(frozen=True, kw_only=True)
class PlannedStrategy:
    """Asks for a plan, writes its parts at once, and puts them together into the answer.

    The run forks only where that saves time: where plan, longest part and closing are shorter than what the
    plain answer still has to write.

    Raises:
        ConfigurationError: `max_parts` is less than 2, `plan_tokens` less than 1, or `scale` not above 0.
    """

    name = "planned"
    examples: tuple[PlanExample, ...] = EXAMPLES
    """Shown to the model as questions with their plans."""
    max_parts: int = 8
    plan_tokens: int = 500
    """Tokens that a plan may have."""
    scale: float = 1.0
    """How long parts are, as a multiple of `plan.WORDS`."""
    hedge: bool | None = None
    """Whether the plain answer is started beside the plan, so that no time is lost where there is no fork.
    Where not given, it is if tokens cost nothing."""
    side_by_side: float = 4.0
    """Tokens a second of four streams at once on this server, as a multiple of one stream's."""

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ConfigurationError(f"PlannedStrategy(scale={self.scale}): use a number above 0")
        at_least_one(max_parts=self.max_parts, plan_tokens=self.plan_tokens)
        if self.max_parts < 2:
            raise ConfigurationError(f"PlannedStrategy(max_parts={self.max_parts}): use 2 or more")

    async def run(self, scope: Scope) -> None:
        """Plan, and fork where that pays; else ask the question as it stands."""
        hedge = not scope.metered if self.hedge is None else self.hedge
        if not scope.forks_left:
            plan = Plan()
        elif hedge:
            opening = OpeningWatch(lambda length: bare.show(length))
            async with scope.speculate(scope.messages, stop=opening) as bare:
                plan = await self._plan(scope, bare)
                if not plan.parts:
                    await bare.take()
                    return
                await opening.ends()
        else:
            plan = await self._plan(scope)
        if plan.parts:
            await self._write(scope, plan)
        else:
            await scope.ask(scope.messages)

    async def conclude(self, scope: Scope) -> None:
        """Go on with a plain answer that was cut; of parts, what there is stands in the text already."""
        if not scope.ended:
            await go_on(scope)

    async def _plan(self, scope: Scope, bare: Speculation | None = None) -> Plan:
        """Ask for a plan; one that does not pay has no parts."""
        most = min(self.max_parts, scope.max_threads)
        reply = await scope.ask(
            plan_turns(scope.messages, self.examples),
            phase="plan",
            schema=plan_schema(most),
            max_tokens=self.plan_tokens,
            keep=False,
        )
        plan = read_plan(reply.text)
        if plan is None or not 2 <= len(plan.parts) <= most:
            scope.not_forked("one_piece")
            return Plan()
        if plan.form == "json" and "json" not in question_of(scope.messages).casefold():
            plan = replace(plan, form="sections")
        written, ended = (0, False) if bare is None else (bare.tokens, bare.ended)
        if ended or not pays(plan, written, self.side_by_side, self.scale):
            scope.not_forked("too_short")
            return Plan()
        return plan

    async def _write(self, scope: Scope, plan: Plan) -> None:
        """Write all parts at once, then the closing."""
        if scope.text:
            scope.write("\n\n")
        assembly = Assembly(plan, scope.write)

        try:
            await scope.fork(
                range(len(plan.parts)),
                lambda one, number: write_part(one, plan, number, assembly, self.scale),
                label=lambda number: plan.parts[number].title,
                join=Stitching(joined=lambda _: (), seed=lambda number: seed(plan, number)),
            )
        finally:
            assembly.finish()
        if not assembly.begun:
            await scope.ask(scope.messages)
        elif plan.then == "combine":
            scope.write("\n\n")
            await scope.ask(
                closing_turns(scope.messages, plan, scope.text.rstrip()),
                max_tokens=room_for(CLOSING_WORDS),
                stop=PartWatch("", (), CLOSING_WORDS, lambda _: None),
            )


def pays(plan: Plan, written: int, side_by_side: float, scale: float = 1.0) -> bool:
    """Return whether a fork is sooner done than the plain answer, by the lengths that the plan names.

    Args:
        plan: with its parts.
        written: tokens that the plain answer has already, where it runs beside the plan.
        side_by_side: tokens a second of four streams at once, as a multiple of one stream's.
        scale: how long parts are, as a multiple of the usual lengths.
    """
    tokens = [WORDS[part.length] * scale * TOKENS_PER_WORD for part in plan.parts]
    slower = 1 + (4 / side_by_side - 1) * (len(tokens) - 1) / 3
    closing = CLOSING_WORDS * TOKENS_PER_WORD if plan.then == "combine" else 0
    return max(tokens) * slower + closing < sum(tokens) + closing - written
