"""The bare question: what a model answers when it is not made to fork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup import last_box
from weaver_sdk.messages import with_text_after

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Bare:
    """Asks the question and nothing else: the baseline of every strategy that is a program.

    Args:
        instruction: text after the question. Where there is one, a `\\\\boxed{…}` is the answer.
        name: the strategy whose baseline this is.
    """

    instruction: str = ""
    name: str = "bare"

    async def run(self, scope: Scope) -> None:
        """Ask the question."""
        await scope.ask(with_text_after(scope.messages, self.instruction, "\n"))

    def read(self, draft: Draft) -> Findings:
        """Return the answer: all of the text, or its box where one was asked for."""
        box = last_box(draft.answer) if self.instruction else None
        return Findings(answer=box or draft.answer.strip() or None)
