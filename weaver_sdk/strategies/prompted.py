"""The markup for models that were never trained to fork: taught by example, held by a grammar.

An untrained model copies the form from worked examples, and a GBNF grammar keeps it there. A thread of such
a model is seeded with its outline: with a bare number it tends to repeat the first thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from weaver_sdk.backends.base import Capabilities, Grammar, Prompt
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup.dialect import THREADWEAVER, Dialect
from weaver_sdk.messages import Message, Messages, merge_system, text_turn
from weaver_sdk.strategies.grammars import PLACES, Place, joined_grammar, opening_grammar, thread_grammar
from weaver_sdk.strategies.native import Machine
from weaver_sdk.strategies.reading import read_trajectory
from weaver_sdk.strategies.structural import structural_tag
from weaver_sdk.strategies.worked import EXAMPLES, WorkedExample

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


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
    max_threads: int = 6
    """Outlines that the grammar allows, or fewer where the budget has fewer; two at least, or none."""

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

    def grammars(self, capabilities: Capabilities, most_threads: int) -> tuple[Grammar, ...]:
        """Return what a server holds the model to, in all places of a run that may have so many threads."""
        held = (self.held_to(place, capabilities, most_threads) for place in PLACES)
        return tuple(grammar for grammar in held if grammar is not None)

    def held_to(self, place: Place, capabilities: Capabilities, most_threads: int) -> Grammar | None:
        """Return what a server holds the model to in one place: a structural tag, a grammar, or nothing."""
        form = self._within(most_threads)
        if not capabilities.grammar:
            return None
        tag = structural_tag(self.dialect, place, form.max_threads) if capabilities.structural_tags else None
        return tag or form.grammar_for(place)

    def _within(self, most_threads: int) -> PromptedStrategy:
        return replace(self, max_threads=max(2, min(self.max_threads, most_threads)))

    def _machine(self, scope: Scope) -> Machine:
        turns = self.turns(scope.messages)
        if self.shown == "raw":
            prompt = Prompt(text=self.prompt(scope.messages), messages=tuple(turns))
        else:
            prompt = scope.prompt(turns)
        able, most = scope.models["main"].capabilities, scope.max_threads
        return Machine(scope, self.dialect, prompt, lambda place: self.held_to(place, able, most), self.stop)

    def turns(self, messages: Messages) -> list[Message]:
        """Return a conversation with the examples before it, as turns of a chat.

        One system turn stands in front: the user's own text, then ours.
        """
        taught: list[Message] = []
        for example in self.examples:
            taught.append({"role": "user", "content": example.question})
            taught.append({"role": "assistant", "content": example.trajectory(self.dialect)})
        return merge_system([*taught, *messages], system_prompt(self.dialect))

    def prompt(self, messages: Messages) -> str:
        """Return the raw prompt for a conversation: its system text, the examples, what was said.

        Raises:
            ConfigurationError: there is a turn that is no text.
        """
        shown = "".join(
            f"Question: {example.question}\n{example.trajectory(self.dialect)}\n\n"
            for example in self.examples
        )
        turns = [text_turn(message) for message in merge_system(messages)]
        system = f"{turns.pop(0)[1]}\n\n" if turns and turns[0][0] == "system" else ""
        said = (f"Question: {text}\n" if role == "user" else f"{text}\n\n" for role, text in turns)
        return system + shown + "".join(said)

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end a sequence: a raw prompt goes on with the next question."""
        return ("\nQuestion:",) if self.shown == "raw" else ()

    def grammar_for(self, place: Place) -> str:
        """Return the GBNF grammar that holds the model to the form at one place of a run."""
        if place == "open":
            return opening_grammar(self.dialect, self.max_threads)
        return thread_grammar(self.dialect) if place == "thread" else joined_grammar(self.dialect)


def system_prompt(dialect: Dialect) -> str:
    """Return the words that teach a chat model the form, beside the examples."""
    block = f"{dialect.block[0]} and {dialect.outlines[0]}" if dialect.block else dialect.outlines[0]
    return (
        "Answer in the form of the examples. Where a question has parts that do not need each other, list "
        f"them in {block}, and work each one out in full in its own {dialect.thread[0]}, over as many lines "
        "as it needs, without a look at the others; then put them together. Where each step needs the one "
        "before it, or where the question is short, answer without them. The answer holds all that was asked "
        "for; only if it is a single number, name or word, put it within \\boxed{}."
    )
