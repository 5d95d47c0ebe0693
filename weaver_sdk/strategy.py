"""How a model is brought to fork: named by the user, or found by a rule; and what a run is told for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from weaver_sdk.backends.base import Backend, Capabilities, Prompt
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import MULTIVERSE, NPR, THREADWEAVER, Dialect, Messages, build_problem_messages
from weaver_sdk.markup.planned import PlannedStrategy
from weaver_sdk.markup.prompted import Phase, PromptedStrategy, seeded
from weaver_sdk.options import Mode, StrategyName
from weaver_sdk.runtime.planned import PlannedBackend

StrategyChoice = Literal["auto", "native", "prompted", "planned"] | PromptedStrategy | PlannedStrategy
"""A name, or a strategy of your own."""

RenderPrompt = Callable[[Messages], str]
"""From messages to the text that the model writes on."""

Grammars = Callable[[Phase], str | None]

TRAINED: tuple[tuple[str, Dialect], ...] = (
    ("weaver-nano", THREADWEAVER),
    ("threadweaver", THREADWEAVER),
    ("multiverse", MULTIVERSE),
    ("npr", NPR),
    ("scripted", THREADWEAVER),  # the servers of `weaver_sdk.testing` play a trained model
)
"""A word in a model's name -> the dialect that such models were trained on."""


@dataclass(frozen=True, kw_only=True)
class Approach:
    """A strategy that was chosen for one model on one server."""

    name: StrategyName
    dialect: Dialect
    strategy: PromptedStrategy | PlannedStrategy | None = None
    """`None` for a model that was trained to fork."""
    why: str
    """The rule by which it was chosen, in words."""

    @property
    def needs_template(self) -> bool:
        """Whether a question goes through the model's chat template."""
        return not (isinstance(self.strategy, PromptedStrategy) and self.strategy.shown == "raw")

    def continues(self, capabilities: Capabilities) -> bool:
        """Tell whether each request goes on with the text of the one before, and does not ask anew."""
        if isinstance(self.strategy, PlannedStrategy):
            return False
        return capabilities.api == "completions" or capabilities.prefill != "ask"

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end a sequence, beside those of the dialect."""
        return self.strategy.stop if isinstance(self.strategy, PromptedStrategy) else ()

    def prompt(self, problem: str, history: Messages, mode: Mode, render: RenderPrompt) -> Prompt:
        """Return a problem as the server takes it. In sequential mode no markup is shown."""
        asked = [*map(dict, history), {"role": "user", "content": problem}]
        if isinstance(self.strategy, PlannedStrategy):
            return Prompt(text=problem, messages=tuple(asked))
        if self.strategy is None:
            messages = build_problem_messages(problem, self.dialect, history=history)
            return Prompt(text=render(messages), messages=tuple(messages))
        if mode == "sequential":
            messages = self.strategy.plain_turns(asked)
            text = render(messages) if self.needs_template else self.strategy.plain_prompt(asked)
        else:
            messages = self.strategy.turns(asked)
            text = render(messages) if self.needs_template else self.strategy.prompt(asked)
        return Prompt(text=text, messages=tuple(messages))

    def grammars(self, mode: Mode, backend: Backend) -> Grammars | None:
        """Return what holds the model to the form, where the server can."""
        strategy = self.strategy
        if not isinstance(strategy, PromptedStrategy) or not backend.capabilities.grammar:
            return None
        if mode == "sequential":
            return lambda _: strategy.grammar_for("plain")
        return strategy.grammar_for

    def backend(self, backend: Backend, render: RenderPrompt) -> Backend:
        """Return the backend that a run speaks with: the server's, or one that asks for plans in between."""
        if isinstance(self.strategy, PlannedStrategy):
            return PlannedBackend(backend, self.strategy, render)
        return backend


def check_choice(choice: object, dialect: object, template: object) -> None:
    """Raise unless a strategy fits what else was given.

    Raises:
        ConfigurationError: there is no such strategy, or it brings a dialect or template that was given.
    """
    if isinstance(choice, str):
        known = get_args(get_args(StrategyChoice)[0])
        if choice not in known:
            raise ConfigurationError(f"unknown strategy {choice!r}: use one of {', '.join(known)}")
        return
    if not isinstance(choice, PromptedStrategy | PlannedStrategy):
        raise ConfigurationError("strategy: give a name, a PromptedStrategy or a PlannedStrategy")
    if dialect is not None:
        raise ConfigurationError("give strategy, or dialect: this strategy brings its own")
    if isinstance(choice, PromptedStrategy) and choice.shown == "raw" and template not in ("auto", "raw"):
        raise ConfigurationError('give template, or a strategy that is shown as "raw" text, which has none')


def choose(
    choice: StrategyChoice,
    dialect: Dialect | None,
    backend: Backend,
    *,
    has_template: bool,
    in_vocabulary: Dialect | None = None,
) -> Approach:
    """Return the approach to a model.

    "auto" takes the first that fits:

    1. a dialect was given: the model was trained on it (`native`);
    2. a word in the model's name is in `TRAINED` (`native`);
    3. the server makes one token of a dialect's tags: they were put into the vocabulary (`native`);
    4. nothing is known of how the model takes a chat (`prompted`, as raw text);
    5. the server holds a model to a grammar (`prompted`, as turns of a chat);
    6. any other (`planned`).

    Args:
        choice: what the user gave.
        dialect: likewise; `None` for none.
        backend: the server, and the model on it.
        has_template: whether turns of a chat can be put to the model.
        in_vocabulary: the dialect whose tags are single tokens, where the server tells.
    """
    if isinstance(choice, PromptedStrategy):
        return Approach(name="prompted", dialect=choice.dialect, strategy=choice, why="as given")
    if isinstance(choice, PlannedStrategy):
        return Approach(name="planned", dialect=choice.dialect, strategy=choice, why="as given")
    known = dialect or _trained_on(backend.model) or in_vocabulary
    if choice == "auto":
        name, why = _rule(dialect, backend, has_template=has_template, in_vocabulary=in_vocabulary)
    else:
        name, why = choice, "as given"
    if name == "native":
        return Approach(name=name, dialect=known or THREADWEAVER, why=why)
    taught = seeded(dialect or THREADWEAVER)
    strategy: PromptedStrategy | PlannedStrategy = PlannedStrategy(dialect=taught)
    if name == "prompted":
        strategy = PromptedStrategy(dialect=taught)
        if has_template:
            strategy = replace(strategy, shown="turns")
    return Approach(name=name, dialect=taught, strategy=strategy, why=why)


def _rule(
    dialect: Dialect | None, backend: Backend, *, has_template: bool, in_vocabulary: Dialect | None
) -> tuple[StrategyName, str]:
    if dialect is not None:
        return "native", f"dialect {dialect.name} was given"
    if (trained := _trained_on(backend.model)) is not None:
        return "native", f"a model of this name is trained on {trained.name}"
    if in_vocabulary is not None:
        return "native", f"the tags of {in_vocabulary.name} are tokens of the model's vocabulary"
    if not has_template:
        return "prompted", "no chat template is known for the model"
    if backend.capabilities.grammar:
        return "prompted", "the model is not known to be trained, and the server takes a grammar"
    return "planned", "the model is not known to be trained, and the server takes no grammar"


def _trained_on(model: str) -> Dialect | None:
    low = model.lower()
    named = (dialect for word, dialect in TRAINED if re.search(rf"(?<![a-z]){word}(?![a-z])", low))
    return next(named, None)
