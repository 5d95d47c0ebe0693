"""Best of n: several attempts at once, and a judge that takes one of them."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weaver_sdk.messages import with_text_after
from weaver_sdk.strategies.attempts import at_least_one, attempt, attempts, texts_of

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope

Judge = Callable[[str], float | Awaitable[float]]
"""From an attempt to its score; more is better."""

ASK = (
    "Here are {count} answers to the question, each under its number.\n\n{answers}\n\nWhich one is the best? "
    "Look at whether it is right first, then at whether it is whole. Reply with its number alone."
)
"""What the model is asked where it is the judge."""


@dataclass(frozen=True)
class BestOf:
    """Asks the same question `n` times at once, and gives the attempt that a judge likes best.

    Without a temperature all attempts are alike: give `Sampling(temperature=…)`.

    Raises:
        ConfigurationError: `n` is less than 1.
    """

    n: int = 4
    judge: Judge | None = None
    """A function that scores an attempt, sync or async; the model itself where not given."""
    model: str = "main"
    """Which of the run's models is the judge."""
    name = "best_of"

    def __post_init__(self) -> None:
        at_least_one(n=self.n)

    async def run(self, scope: Scope) -> None:
        """Make the attempts, judge them, and write the best."""
        await scope.fork(attempts(self.n), attempt, label=str, join="")
        await self.conclude(scope)

    async def conclude(self, scope: Scope) -> None:
        """Judge the attempts that there are; ask once more where there is none."""
        texts = texts_of(scope)
        if not texts:
            await scope.ask(scope.messages)
        elif len(texts) == 1:
            scope.write(texts[0])
        elif self.judge is not None:
            scores = [await _score(self.judge, text) for text in texts]
            scope.write(texts[scores.index(max(scores))])
        else:
            scope.write(texts[await self._number(scope, texts)])

    async def _number(self, scope: Scope, texts: list[str]) -> int:
        """Ask the model for the number of the best; the first where it names none."""
        answers = "\n\n".join(f"[{number}]\n{text}" for number, text in enumerate(texts, start=1))
        asked = with_text_after(scope.messages, ASK.format(count=len(texts), answers=answers))
        reply = await scope.ask(asked, phase="reasoning", model=self.model, keep=False)
        named = (int(number) for number in re.findall(r"\d+", reply.text))
        return next((number - 1 for number in named if 1 <= number <= len(texts)), 0)


async def _score(judge: Judge, text: str) -> float:
    """Return a judge's score; one that is not async runs beside the event loop."""
    score = await asyncio.to_thread(judge, text)
    return await score if inspect.isawaitable(score) else score
