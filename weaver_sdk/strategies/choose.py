"""Which strategy a model gets: the one that the user named or gave, or the one that a rule finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from weaver_sdk.backends.base import Backend, Capabilities
from weaver_sdk.backends.side_by_side import gains
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import MULTIVERSE, NPR, THREADWEAVER, Dialect
from weaver_sdk.strategies.bare import Bare
from weaver_sdk.strategies.names import named_strategy
from weaver_sdk.strategies.native import Native
from weaver_sdk.strategies.planned import PlannedStrategy
from weaver_sdk.strategies.prompted import PromptedStrategy, seeded
from weaver_sdk.strategies.strategy import Function, Strategy, program_of

StrategyChoice = str | Strategy | Function
"""A name, such as "auto", "planned" or "voting:n=7"; a strategy; or an `async def` that takes a scope."""

TRAINED: tuple[tuple[str, Dialect], ...] = (
    ("weaver-nano", THREADWEAVER),
    ("threadweaver", THREADWEAVER),
    ("multiverse", MULTIVERSE),
    ("npr", NPR),
)
"""A word in a model's name -> the dialect that such models were trained on."""


@dataclass(frozen=True, kw_only=True)
class ChosenStrategy:
    """A strategy that was chosen for one model on one server."""

    strategy: Strategy | Function
    why: str
    """The rule by which it was chosen, in words."""

    @property
    def name(self) -> str:
        """How it is named in results."""
        return program_of(self.strategy).name

    @property
    def dialect(self) -> Dialect | None:
        """The markup that the model writes on; `None` where the strategy asks questions of their own."""
        return self.strategy.dialect if isinstance(self.strategy, Native | PromptedStrategy) else None

    @property
    def needs_template(self) -> bool:
        """Whether a question goes through the model's chat template."""
        return not (isinstance(self.strategy, PromptedStrategy) and self.strategy.shown == "raw")

    def continues(self, capabilities: Capabilities) -> bool:
        """Return whether each request goes on with the text of the one before, and does not ask anew."""
        return self.dialect is not None and capabilities.continues


def check_choice(choice: object, dialect: object, template: object) -> None:
    """Raise unless a strategy fits what else was given.

    Raises:
        ConfigurationError: there is no such strategy, or it brings a dialect or template that was given.
    """
    if isinstance(choice, str):
        if choice not in BY_MODEL:
            named_strategy(choice)
        if choice not in ("auto", "native", "prompted") and dialect is not None:
            raise ConfigurationError(f"give dialect, or strategy={choice!r}, which writes no markup")
        return
    program_of(choice)  # type: ignore[arg-type]  # it says what is no strategy
    if dialect is not None:
        raise ConfigurationError("give strategy, or dialect: this strategy brings its own")
    if isinstance(choice, PromptedStrategy) and choice.shown == "raw" and template not in ("auto", "raw"):
        raise ConfigurationError('give template, or a strategy that is shown as "raw" text, which has none')


BY_MODEL = ("auto", "native", "prompted", "planned")
"""Strategies that are fitted to the model."""


def choose(
    choice: StrategyChoice,
    dialect: Dialect | None,
    backend: Backend,
    *,
    has_template: bool,
    in_vocabulary: Dialect | None = None,
) -> ChosenStrategy:
    """Return the strategy for a model.

    "auto" takes the first that fits:

    1. a dialect was given: the model was trained on it (`native`);
    2. a word in the model's name is in `TRAINED` (`native`);
    3. the server makes one token of a dialect's tags: they were put into the vocabulary (`native`);
    4. nothing is known of how the model takes a chat (`prompted`, as raw text);
    5. any other (`planned`; see `fitted` for servers that gain nothing by a fork).

    Args:
        choice: what the user gave.
        dialect: likewise; `None` for none.
        backend: the server, and the model on it.
        has_template: whether turns of a chat can be put to the model.
        in_vocabulary: the dialect whose tags are single tokens, if the server reports its tokens.
    """
    if not isinstance(choice, str):
        return ChosenStrategy(strategy=choice, why="as given")
    if choice not in BY_MODEL:
        return ChosenStrategy(strategy=named_strategy(choice), why="as given")
    known = dialect or _trained_on(backend.model) or in_vocabulary
    name, why = choice, "as given"
    if choice == "auto":
        name, why = _rule(dialect, backend, has_template=has_template, in_vocabulary=in_vocabulary)
    if name == "native":
        return ChosenStrategy(strategy=Native(dialect=known or THREADWEAVER), why=why)
    if name == "planned":
        return ChosenStrategy(strategy=PlannedStrategy(), why=why)
    taught = seeded(dialect or THREADWEAVER)
    shown: Literal["raw", "turns"] = "turns" if has_template else "raw"
    return ChosenStrategy(strategy=replace(PromptedStrategy(dialect=taught), shown=shown), why=why)


def fitted(chosen: ChosenStrategy, side_by_side: float | None) -> ChosenStrategy:
    """Return what "auto" takes on a server: the bare question where a fork gains nothing.

    Args:
        chosen: by the rule.
        side_by_side: tokens a second of four streams at once, as a multiple of one stream's; `None`: unknown.
    """
    if not isinstance(chosen.strategy, PlannedStrategy) or side_by_side is None:
        return chosen
    if not gains(side_by_side):
        why = f"four streams at once are {side_by_side:.1f} times as fast as one: a fork gains nothing"
        return ChosenStrategy(strategy=Bare(reason="server_gains_nothing"), why=why)
    return replace(chosen, strategy=replace(chosen.strategy, side_by_side=side_by_side))


def _rule(
    dialect: Dialect | None, backend: Backend, *, has_template: bool, in_vocabulary: Dialect | None
) -> tuple[str, str]:
    if dialect is not None:
        return "native", f"dialect {dialect.name} was given"
    if (trained := _trained_on(backend.model)) is not None:
        return "native", f"a model of this name is trained on {trained.name}"
    if in_vocabulary is not None:
        return "native", f"the tags of {in_vocabulary.name} are tokens of the model's vocabulary"
    if not has_template:
        return "prompted", "no chat template is known for the model"
    return "planned", "the model is not known to be trained"


def _trained_on(model: str) -> Dialect | None:
    low = model.lower()
    named = (dialect for word, dialect in TRAINED if re.search(rf"(?<![a-z]){word}(?![a-z])", low))
    return next(named, None)
