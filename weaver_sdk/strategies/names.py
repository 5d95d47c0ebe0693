"""Strategies by name: ours, those that other packages publish, and their parameters.

`voting:n=7` is `Voting(n=7)`; of `pdr:drafts=8,4` the parameter is a tuple. Other packages publish strategies
in the entry-point group `weaver.strategies`.
"""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from typing import Any

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.strategies.strategy import Function, Strategy

GROUP = "weaver.strategies"
"""The group of entry points: a name, and the class or function it stands for."""

OURS = {
    "native": "weaver_sdk.strategies.native:Native",
    "prompted": "weaver_sdk.strategies.prompted:PromptedStrategy",
    "planned": "weaver_sdk.strategies.planned:PlannedStrategy",
    "voting": "weaver_sdk.strategies.voting:Voting",
    "best_of": "weaver_sdk.strategies.best_of:BestOf",
    "plan_and_solve": "weaver_sdk.strategies.plan_and_solve:PlanAndSolve",
}
"""The strategies of this package."""


def named_strategy(text: str) -> Strategy | Function:
    """Return the strategy that a name stands for, with the parameters after its colon, or at `module:name`.

    Raises:
        ConfigurationError: there is none of that name, or a parameter does not fit it.
    """
    name, _, given = text.partition(":")
    found = _published(name)
    if found is None and name and given.isidentifier():
        return strategy_at(text)
    if found is None:
        known = ", ".join(("auto", *known_names()))
        raise ConfigurationError(f"unknown strategy {name!r}: use one of {known}, or module:name")
    return _made(found, _parameters(given), text)


def strategy_at(path: str) -> Strategy | Function:
    """Return the strategy at `module:name`: a class (made without parameters), an object or an `async def`.

    Raises:
        ConfigurationError: nothing is there.
    """
    return _made(_load(path), {}, path)


def known_names() -> list[str]:
    """Return all names, ours first."""
    return [*OURS, *sorted({*entry_points(group=GROUP).names} - {*OURS})]


def _published(name: str) -> Any:
    if name in OURS:
        return _load(OURS[name])
    published = next(iter(entry_points(group=GROUP, name=name)), None)
    try:
        return None if published is None else published.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"strategy {name!r} of another package: {error}") from error


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"no strategy at {path!r}: {error}") from error


def _made(found: Any, parameters: dict[str, Any], text: str) -> Strategy | Function:
    """Return a strategy of what stands at a name: a class is made, anything else is one already."""
    if not isinstance(found, type):
        if parameters:
            raise ConfigurationError(f"strategy {text!r}: it takes no parameters")
        made: Strategy | Function = found
        return made
    try:
        strategy: Strategy = found(**parameters)
    except TypeError as error:
        raise ConfigurationError(f"strategy {text!r}: {error}") from error
    return strategy


def _parameters(text: str) -> dict[str, Any]:
    """Read `n=7,widths=8,4`: a part without a name belongs to the parameter before it."""
    values: dict[str, list[Any]] = {}
    name = ""
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if equals:
            name = key.strip()
            if name in values:
                raise ConfigurationError(f"parameters {text!r}: {name} is given twice")
            values[name] = []
        elif not name:
            raise ConfigurationError(f"parameters {text!r}: write name=value, as in voting:n=7")
        values[name].append(_value(value if equals else part))
    return {name: given[0] if len(given) == 1 else tuple(given) for name, given in values.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.strip()
