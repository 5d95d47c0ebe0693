"""The markup for models that were never trained to fork: taught by example, held by a grammar.

An untrained model copies the form from worked examples, and a GBNF grammar keeps it there. A thread of such
a model is seeded with its outline: with a bare number it tends to repeat the first thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from weaver_sdk.backends.base import Prompt
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup.dialect import THREADWEAVER, Dialect
from weaver_sdk.messages import Message, Messages, merge_system, text_turn
from weaver_sdk.strategies.grammars import (
    Place,
    joined_grammar,
    opening_grammar,
    plain_grammar,
    thread_grammar,
)
from weaver_sdk.strategies.native import Machine
from weaver_sdk.strategies.reading import read_trajectory
from weaver_sdk.strategies.worked import EXAMPLES, WorkedExample

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope

SEQUENTIAL_INSTRUCTION = THREADWEAVER.instruction
"""Follows the question where a model is to answer without markup."""


def seeded(dialect: Dialect) -> Dialect:
    """Return a dialect whose threads begin with their outline, and whose question stands alone."""
    seed = f"{dialect.seed} {{outline}}:"
    return replace(dialect, name=f"{dialect.name}-seeded", seed=seed, instruction="")


SEEDED_THREADWEAVER = seeded(THREADWEAVER)
"""ThreadWeaver's markup with the outline as the beginning of each thread."""


@dataclass(frozen=True, kw_only=True)
class PromptedStrategy:
    """How an untrained model is brought to write a dialect by itself.

    Raises:
        ConfigurationError: `max_threads` is less than 2.
    """

    name = "prompted"
    dialect: Dialect = SEEDED_THREADWEAVER
    examples: tuple[WorkedExample, ...] = EXAMPLES
    shown: Literal["raw", "turns"] = "raw"
    """How the examples come before the question: as one text to go on with, or as turns of a chat."""
    max_threads: int = 3
    """Outlines that the grammar allows; it asks for two at least, or for none."""

    def __post_init__(self) -> None:
        if self.max_threads < 2:
            raise ConfigurationError(f"PromptedStrategy(max_threads={self.max_threads}): use 2 or more")

    async def run(self, scope: Scope) -> None:
        """Show the model the form, and let it decode, fork and join until it ends."""
        await self._machine(scope).main_line()

    async def conclude(self, scope: Scope) -> None:
        """Close what is open and let the model write its answer."""
        await self._machine(scope).lead_to_answer()

    def read(self, draft: Draft) -> Findings:
        """Return what the trajectory holds."""
        return read_trajectory(draft, self.dialect, trained=False)

    def sequential(self) -> PromptedStrategy:
        """Return the same: in a run that may not fork, no markup is shown."""
        return self

    def _machine(self, scope: Scope) -> Machine:
        plain = scope.mode == "sequential"
        turns = self.plain_turns(scope.messages) if plain else self.turns(scope.messages)
        prompt = scope.prompt(turns)
        if self.shown == "raw":
            text = self.plain_prompt(scope.messages) if plain else self.prompt(scope.messages)
            prompt = Prompt(text=text, messages=tuple(turns))
        grammar_for = None
        if scope.models["main"].capabilities.grammar:
            grammar_for = (lambda _: self.grammar_for("plain")) if plain else self.grammar_for
        return Machine(scope, self.dialect, prompt, grammar_for, self.stop)

    def turns(self, messages: Messages) -> list[Message]:
        """Return a conversation with the examples before it, as turns of a chat.

        One system turn stands in front: the user's own text, then ours.
        """
        taught = self._turns([example.trajectory(self.dialect) for example in self.examples], messages)
        return merge_system(taught, system_prompt(self.dialect))

    def plain_turns(self, messages: Messages) -> list[Message]:
        """Return the same turns without markup: what the sequential baseline is shown."""
        return merge_system(self._turns([example.plain() for example in self.examples], messages))

    def prompt(self, messages: Messages) -> str:
        """Return the raw prompt for a conversation: its system text, the examples, what was said.

        Raises:
            ConfigurationError: there is a turn that is no text.
        """
        return self._raw([example.trajectory(self.dialect) for example in self.examples], messages)

    def plain_prompt(self, messages: Messages) -> str:
        """Return the same raw prompt without markup, for the sequential baseline."""
        return self._raw([example.plain() for example in self.examples], messages)

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end a sequence: a raw prompt goes on with the next question."""
        return ("\nQuestion:",) if self.shown == "raw" else ()

    def grammar_for(self, place: Place) -> str | None:
        """Return the GBNF grammar that holds the model to the form at one place of a run."""
        if place == "open":
            return opening_grammar(self.dialect, self.max_threads)
        if place == "plain":  # a chat model ends its answer by itself
            return plain_grammar() if self.shown == "raw" else None
        return thread_grammar(self.dialect) if place == "thread" else joined_grammar(self.dialect)

    def _turns(self, answers: Sequence[str], messages: Messages) -> list[Message]:
        taught: list[Message] = []
        for example, answer in zip(self.examples, answers, strict=True):
            taught.append({"role": "user", "content": example.question})
            taught.append({"role": "assistant", "content": answer})
        return [*taught, *messages]

    def _raw(self, answers: Sequence[str], messages: Messages) -> str:
        taught = zip(self.examples, answers, strict=True)
        shown = "".join(f"Question: {example.question}\n{answer}\n\n" for example, answer in taught)
        turns = [text_turn(message) for message in merge_system(messages)]
        system = f"{turns.pop(0)[1]}\n\n" if turns and turns[0][0] == "system" else ""
        said = (f"Question: {text}\n" if role == "user" else f"{text}\n\n" for role, text in turns)
        return system + shown + "".join(said)


def system_prompt(dialect: Dialect) -> str:
    """Return the words that teach a chat model the form, beside the examples."""
    block = f"{dialect.block[0]} and {dialect.outlines[0]}" if dialect.block else dialect.outlines[0]
    return (
        "Answer in the form of the examples. Where a question has parts that do not need each other, list "
        f"them in {block}, and work each one out in its own {dialect.thread[0]}, without a look at the "
        "others; then put them together. Where each step needs the one before it, or where the question is "
        "short, answer without them. Put the final answer within \\boxed{}."
    )
