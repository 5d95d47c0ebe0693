"""What a user can change in the middle of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from weaver_sdk.cli.scene import Reasoning
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.options import Budget, Sampling

ChatMode = Literal["parallel", "sequential", "both"]

_BUDGET_WORDS = {"total": "total_tokens", "critical": "critical_path_tokens", "thread": "thread_tokens"}


@dataclass(kw_only=True)
class Settings:
    """The settings of the turns to come."""

    budget: Budget = field(default_factory=Budget)
    sampling: Sampling | None = None
    mode: ChatMode = "parallel"
    reasoning: Reasoning = "show"
    keep_reasoning: bool = False
    trace: Path | None = None

    def set_mode(self, word: str) -> None:
        """Choose the mode by its name.

        Raises:
            ConfigurationError: there is no such mode.
        """
        found = next((mode for mode in get_args(ChatMode) if mode == word), None)
        if found is None:
            raise ConfigurationError(f"mode {word}: use parallel, sequential or both")
        self.mode = found

    def set_reasoning(self, word: str) -> None:
        """Choose by name what is seen of the reasoning.

        Raises:
            ConfigurationError: there is no such way.
        """
        found = next((way for way in get_args(Reasoning) if way == word), None)
        if found is None:
            raise ConfigurationError(f"reasoning {word}: use show, fold or hide")
        self.reasoning = found

    def set_budget(self, words: str) -> None:
        """Set limits as in `total=2000 thread=300 seconds=10`; `off` lifts all of them.

        Raises:
            ConfigurationError: a word cannot be read.
            BudgetError: a limit is negative or zero.
        """
        if words.strip() == "off":
            self.budget = Budget()
            return
        changes: dict[str, int | float] = {}
        for word in words.split():
            name, _, value = word.partition("=")
            name = _BUDGET_WORDS.get(name, name)
            try:
                changes[name] = float(value) if name == "seconds" else int(value)
            except ValueError:
                raise ConfigurationError(f"{word}: write NAME=NUMBER, as in total=2000 seconds=10") from None
            if name not in _LIMITS:
                raise ConfigurationError(f"no limit is called {name}: use {', '.join(_LIMITS)}")
        self.budget = replace(self.budget, **changes)  # type: ignore[arg-type]

    def budget_text(self) -> str:
        """Return the limits that are set, in words."""
        default = Budget()
        limits = [
            f"{name}={value}"
            for name in _LIMITS
            if (value := getattr(self.budget, name)) != getattr(default, name)
        ]
        return " ".join(limits) or "no limit"


_LIMITS = [
    item.name
    for item in fields(Budget)
    if item.name not in ("on_exhausted", "reserve_tokens", "reserve_seconds")
]
