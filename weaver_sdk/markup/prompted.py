"""The markup for models that were never trained to fork: told by example, held by a grammar.

An untrained model copies the form from worked examples, and a GBNF grammar keeps it there. A thread of such
a model is seeded with its outline: with a bare number it tends to repeat the first thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup.dialect import THREADWEAVER, Dialect
from weaver_sdk.markup.grammars import joined_grammar, opening_grammar, plain_grammar, thread_grammar
from weaver_sdk.markup.worked import EXAMPLES, WorkedExample

Phase = Literal["open", "thread", "resume", "plain"]
"""Where a completion stands: before the first block, inside a thread, after a join; or outside all markup."""

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

    dialect: Dialect = SEEDED_THREADWEAVER
    examples: tuple[WorkedExample, ...] = EXAMPLES
    shown: Literal["raw", "turns"] = "raw"
    """How the examples come before the question: as one text to go on with, or as turns of a chat."""
    max_threads: int = 3
    """Outlines that the grammar allows; it asks for two at least, or for none."""

    def __post_init__(self) -> None:
        if self.max_threads < 2:
            raise ConfigurationError(f"PromptedStrategy(max_threads={self.max_threads}): use 2 or more")

    def turns(self, messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Return a conversation with the system prompt and the examples before it, as turns of a chat."""
        system = {"role": "system", "content": system_prompt(self.dialect)}
        return [
            system,
            *self._turns([example.trajectory(self.dialect) for example in self.examples], messages),
        ]

    def plain_turns(self, messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Return the same turns without markup: what the sequential baseline is shown."""
        return self._turns([example.plain() for example in self.examples], messages)

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the raw prompt for a conversation: the examples, then what was said, oldest first."""
        return self._raw([example.trajectory(self.dialect) for example in self.examples], messages)

    def plain_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the same raw prompt without markup, for the sequential baseline."""
        return self._raw([example.plain() for example in self.examples], messages)

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end a sequence: a raw prompt goes on with the next question."""
        return ("\nQuestion:",) if self.shown == "raw" else ()

    def grammar_for(self, phase: Phase) -> str | None:
        """Return the GBNF grammar that holds the model to the form in one phase of a run."""
        if phase == "open":
            return opening_grammar(self.dialect, self.max_threads)
        if phase == "plain":  # a chat model ends its answer by itself
            return plain_grammar() if self.shown == "raw" else None
        return thread_grammar(self.dialect) if phase == "thread" else joined_grammar(self.dialect)

    def _turns(self, answers: Sequence[str], messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        taught: list[dict[str, str]] = []
        for example, answer in zip(self.examples, answers, strict=True):
            taught.append({"role": "user", "content": example.question})
            taught.append({"role": "assistant", "content": answer})
        return [*taught, *map(dict, messages)]

    def _raw(self, answers: Sequence[str], messages: Sequence[Mapping[str, str]]) -> str:
        taught = zip(self.examples, answers, strict=True)
        shown = "".join(f"Question: {example.question}\n{answer}\n\n" for example, answer in taught)
        return shown + "".join(_raw_turn(message) for message in messages)


def system_prompt(dialect: Dialect) -> str:
    """Return the words that teach a chat model the form, beside the examples."""
    block = f"{dialect.block[0]} and {dialect.outlines[0]}" if dialect.block else dialect.outlines[0]
    return (
        "Answer in the form of the examples. Where a question has parts that do not need each other, list "
        f"them in {block}, and work each one out in its own {dialect.thread[0]}, without a look at the "
        "others; then put them together. Where each step needs the one before it, or where the question is "
        "short, answer without them. Put the final answer within \\boxed{}."
    )


def _raw_turn(message: Mapping[str, str]) -> str:
    said = message["content"]
    return f"Question: {said}\n" if message["role"] == "user" else f"{said}\n\n"


PROMPTED = PromptedStrategy()
"""ThreadWeaver's markup for any model that completes raw text. Tried with SmolLM2-135M-Instruct."""
