"""What one run is given before it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from weaver_sdk.backends.base import Backend
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.messages import Message, Messages, question_of, with_text_after
from weaver_sdk.options import Budget, Mode, PrefixForm, Prices, Sampling

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope

Render = Callable[[Messages], str]
"""From the turns of a conversation to the text that the model writes on."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that a run may ask."""

    backend: Backend
    render: Render
    prices: Prices | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A strategy, ready to run: three functions and a name."""

    name: str
    run: Callable[[Scope], Awaitable[object]]
    conclude: Callable[[Scope], Awaitable[object]]
    """Called in place of what is left of `run` when the budget is spent."""
    read: Callable[[Draft], Findings]
    """What came of a run, by its text."""
    answer_is_text: bool = False
    """Whether the answer is the text of the phase "answer", so that it can be read while it is written."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that one run is given."""

    run_id: str
    messages: tuple[Message, ...]
    """The conversation; its last turn is the problem."""
    instruction: str = ""
    """Stands after the problem wherever it is asked, and is no part of the conversation."""
    program: Program
    models: Mapping[str, Model]
    """By the names that a strategy asks for them; one is "main"."""
    mode: Mode = "parallel"
    sampling: Sampling = field(default_factory=Sampling)
    budget: Budget = field(default_factory=Budget)
    prefix: PrefixForm = "text"
    """What requests begin with: the text so far, or the tokens that were written."""
    stop_tokens: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Stop strings as the server makes tokens of them; empty where it does not say."""
    warm_joins: bool = False
    """Whether threads that have ended are computed ahead of their join, while a later one runs."""
    metered: bool = True
    """Whether tokens cost money."""
    index: int | None = None
    routing_key: str | None = None
    """The user's own key for routers; the run's id takes its place where not given."""

    @cached_property
    def asked(self) -> tuple[Message, ...]:
        """The conversation as the model is asked it."""
        return tuple(with_text_after(self.messages, self.instruction)) if self.instruction else self.messages

    @property
    def problem(self) -> str:
        """The last turn as text."""
        return question_of(self.messages)

    @property
    def key_for_routers(self) -> str:
        """What a router keeps the run's requests together by."""
        return self.routing_key or self.run_id
