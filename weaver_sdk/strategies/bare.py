"""The bare question: what a model answers when it is not made to fork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weaver_sdk.result import NoForkReason

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Bare:
    """Asks the question and nothing else: the baseline of every strategy that is a program.

    Args:
        name: the strategy whose place it takes.
        reason: why that does not fork.
    """

    name: str = "bare"
    reason: NoForkReason | None = None

    async def run(self, scope: Scope) -> None:
        """Ask the question."""
        if self.reason is not None:
            scope.not_forked(self.reason)
        await scope.ask(scope.messages)

    async def conclude(self, scope: Scope) -> None:
        """Go on with the text that was cut."""
        await go_on(scope)


async def go_on(scope: Scope) -> None:
    """Spend the reserve on more of the answer; where there was only thought, ask for the answer."""
    if scope.text.strip():
        await scope.extend()
    else:
        await scope.ask(scope.messages)
