"""The options of one run, declared once for every entry point of a reasoner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, get_args

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.events import Event
from weaver_sdk.messages import Messages
from weaver_sdk.options import AnswerForm, Budget, Mode, Sampling
from weaver_sdk.strategies.choose import StrategyChoice


class RunOptions(TypedDict, total=False):
    """Keyword arguments of `solve`, `stream`, `solve_many` and `solve_sync`.

    An option that is not given, or `None`, is the reasoner's.
    """

    mode: Mode
    """"parallel", or "sequential": the baseline without forks."""
    strategy: StrategyChoice | None
    """A name, a strategy or an `async def`."""
    answer: AnswerForm
    """"text", or "boxed": asked for in `\\boxed{…}`, so that it can be compared. Models that were trained to
    fork write a box in any case."""
    sampling: Sampling | None
    """How the model samples tokens."""
    budget: Budget | None
    """How much the run may spend."""
    system: str | None
    """A system prompt. It comes first, before the conversation's and the strategy's."""
    history: Messages
    """Earlier turns, if the problem is a text."""
    routing_key: str | None
    """A router sends requests with the same key to the same replica. Use one key for runs that share a
    prefix, such as the turns of a conversation; if not given, each run gets its own."""
    on_event: Callable[[Event], None] | None
    """Called with every event, in order; if it is slow, so is the run. An exception from it ends the run."""


def checked(options: RunOptions) -> None:
    """Check the options of a call.

    Raises:
        TypeError: there is no such option.
        ConfigurationError: an option has the wrong type or value.
    """
    for name in options:
        if name not in RunOptions.__annotations__:
            known = ", ".join(RunOptions.__annotations__)
            raise TypeError(f"unexpected keyword argument {name!r}: use one of {known}")
    if (mode := options.get("mode", "parallel")) not in get_args(Mode):
        raise ConfigurationError(f'mode={mode!r}: use "parallel" or "sequential"')
    if (answer := options.get("answer", "text")) not in get_args(AnswerForm):
        raise ConfigurationError(f'answer={answer!r}: use "text" or "boxed"')
    kinds: dict[str, type] = {"sampling": Sampling, "budget": Budget}
    for name, kind in kinds.items():
        if not isinstance(options.get(name), kind | None):
            raise ConfigurationError(f"{name}={options.get(name)!r}: give a {kind.__name__}(…)")
