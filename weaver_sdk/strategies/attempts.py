"""Several attempts at the same question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.messages import Messages

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


def attempts(count: int) -> list[str]:
    """Return what the threads of so many attempts work on: their names."""
    return [f"attempt {number}" for number in range(1, count + 1)]


async def attempt(scope: Scope, name: str, asked: Messages | None = None) -> None:
    """Ask a question once: the run's own where no other is given. Each attempt has a seed of its own."""
    sampling = scope.sampling
    if sampling.seed is not None and scope.place is not None:
        sampling = replace(sampling, seed=sampling.seed + scope.place[1] - 1)
    await scope.ask(scope.messages if asked is None else asked, sampling=sampling)


def texts_of(scope: Scope) -> list[str]:
    """Return the attempts that ended by themselves, in order; those that were cut where there is no other."""
    ended = sorted(scope.ended, key=lambda one: one.place or (0, 0))
    whole = [one.text for one in ended if one.outcome == "done" and one.text.strip()]
    return whole or [one.text for one in ended if one.text.strip()]


def at_least_one(**numbers: int) -> None:
    """Check parameters that count something.

    Raises:
        ConfigurationError: one is less than 1, or no whole number.
    """
    for name, number in numbers.items():
        if type(number) is not int or number < 1:  # a name such as voting:n=2.5 brings anything
            raise ConfigurationError(f"{name}={number!r}: use a whole number, 1 or more")
