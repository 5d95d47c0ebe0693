"""Self-consistency (arXiv 2203.11171): the answer that most attempts come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from weaver_sdk.messages import with_text_after
from weaver_sdk.strategies.answers import BOXED, answer_of, same_answer
from weaver_sdk.strategies.attempts import at_least_one, attempt, attempts, texts_of

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


@dataclass(frozen=True)
class Voting:
    """Asks the same question `n` times at once, and gives the answer of the largest group of like answers.

    The rest is cancelled as soon as no other group can become as large. Without a temperature all attempts
    are alike: give `Sampling(temperature=…)`.

    Raises:
        ConfigurationError: `n` is less than 1.
    """

    n: int = 5
    instruction: str = BOXED
    """Follows the question. Answers in a box can be compared, long texts can not."""
    name = "voting"

    def __post_init__(self) -> None:
        at_least_one(n=self.n)

    async def run(self, scope: Scope) -> None:
        """Ask, and count the answers as they come."""
        asked = with_text_after(scope.messages, self.instruction, "\n")
        async with scope.each(attempts(self.n), partial(attempt, asked=asked)) as ended:
            async for _ in ended:
                sizes = [*map(len, grouped(_answers(scope))), 0, 0]
                if sizes[0] > sizes[1] + self.n - len(scope.ended):
                    break
        await self.conclude(scope)

    async def conclude(self, scope: Scope) -> None:
        """Write the answer of the largest group; ask once more where there is no answer at all."""
        groups = grouped(_answers(scope))
        if groups:
            scope.write(groups[0][0])
        else:
            asked = with_text_after(scope.messages, self.instruction, "\n")
            scope.write(answer_of((await scope.ask(asked, phase="reasoning")).text))


def grouped(answers: Sequence[str]) -> list[list[str]]:
    """Return the answers in groups of like ones, the largest first; of groups alike in size, the earlier."""
    groups: list[list[str]] = []
    for answer in answers:
        like = next((group for group in groups if same_answer(group[0], answer)), None)
        if like is None:
            groups.append([answer])
        else:
            like.append(answer)
    return sorted(groups, key=len, reverse=True)


def _answers(scope: Scope) -> list[str]:
    return [answer for text in texts_of(scope) if (answer := answer_of(text))]
