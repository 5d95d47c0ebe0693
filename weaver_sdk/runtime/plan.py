"""What one run is told before it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from weaver_sdk.backends.base import Prompt
from weaver_sdk.markup import Dialect
from weaver_sdk.markup.prompted import Phase
from weaver_sdk.options import Budget, Mode, PrefixForm, Sampling, StrategyName


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one run is told."""

    run_id: str
    problem: str
    prompt: Prompt
    dialect: Dialect
    mode: Mode
    sampling: Sampling
    budget: Budget
    grammar_for: Callable[[Phase], str | None] | None = None
    """For models that write the markup only when they are held to it."""
    stop: tuple[str, ...] = ()
    """Further strings that end a sequence: what begins the next question of a prompt by example."""
    prefix: PrefixForm = "text"
    """What requests begin with: the text so far, or the tokens that were written."""
    tag_tokens: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The tags that end a completion, as the server makes tokens of them; empty where it does not tell."""
    warm_joins: bool = False
    """Whether threads that have ended are computed ahead of their join, while a later one runs."""
    strategy: StrategyName = "native"
    reliable_finish: bool = True
    """Whether the end of a text is what the server said."""
    index: int | None = None
    routing_key: str | None = None
    """The user's own key for routers; the run's id takes its place where not given."""

    @property
    def key_for_routers(self) -> str:
        """What a router keeps the run's requests together by."""
        return self.routing_key or self.run_id

    @property
    def reasoning_begun(self) -> bool:
        """Whether the chat template has opened the reasoning, so that the model does not."""
        return self.prompt.text.rstrip().endswith(self.dialect.think[0])
