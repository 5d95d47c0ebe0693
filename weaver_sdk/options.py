"""What a user may choose: sampling, budget, concurrency, retries, prices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from weaver_sdk.errors import BudgetError, ConfigurationError

Mode = Literal["parallel", "sequential"]
"""`parallel` runs the fork/join state machine; `sequential` is the same model with the tags as plain text."""

AnswerForm = Literal["text", "boxed"]
"""What is asked for: an answer to read, or one in `\\boxed{…}`, which can be compared."""

PrefixForm = Literal["text", "tokens"]
"""What a request begins with: the text so far, which the server tokenizes again, or the exact tokens that the
model wrote."""


_TOKENS = "Budget, whose limits hold over all completions of a run"
_PROMPT = "the problem or the messages that `solve` takes"
_SLOTS = "nothing: the backend chooses slots by their cache"
_LOGPROBS = "CompletionRequest(logprobs=…)"
_OWNED = {
    "model": "model=… of the reasoner",
    "prompt": _PROMPT,
    "messages": _PROMPT,
    "echo": _PROMPT,
    "continue_final_message": "Capabilities(prefill=…)",
    "add_generation_prompt": "Capabilities(prefill=…)",
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "n_predict": _TOKENS,
    "stream": "nothing: every completion is streamed",
    "stream_options": "nothing: token counts are always requested",
    "n": "`solve_many`, with the problem repeated",
    "best_of": "`solve_many`, with the problem repeated",
    "logprobs": _LOGPROBS,
    "top_logprobs": _LOGPROBS,
    "n_probs": _LOGPROBS,
    "id_slot": _SLOTS,
    "slot_id": _SLOTS,
}
"""Request fields that a run sets itself, and what to use instead of each."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the model samples tokens, and where it stops; `None` leaves the choice to the server.

    Raises:
        ConfigurationError: a number is out of range, or `extra` holds a field that a run sets itself.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """Strings that end a completion as the end of the sequence does, in addition to the run's own.

    They apply in the main line and in each thread. A server without stop strings ignores them. If a server
    does not report which string matched, they end a thread as its closing tag does.
    """
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further request fields, sent unchanged, for servers that know them. A "stop" is added to `stop`; a
    grammar or a schema applies if the run itself sends none."""

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature < 0:
            raise ConfigurationError(f"temperature is {self.temperature}: use 0 (greedy) or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigurationError(f"top_p is {self.top_p}: use a number above 0 and up to 1")
        for name in self.extra:
            if name in _OWNED:
                raise ConfigurationError(
                    f"Sampling(extra={{{name!r}: …}}): a run sets this field itself; use {_OWNED[name]}"
                )
        stops = [*_strings("stop", self.stop), *_strings('extra["stop"]', self.extra.get("stop") or ())]
        object.__setattr__(self, "stop", tuple(dict.fromkeys(stops)))
        if "stop" in self.extra:
            further = {name: value for name, value in self.extra.items() if name != "stop"}
            object.__setattr__(self, "extra", further)

    def as_fields(self) -> dict[str, Any]:
        """Return the request fields that are set, without `stop`: a request has stop strings of its own."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("stop", "extra")}
        return {name: value for name, value in own.items() if value is not None} | dict(self.extra)


def _strings(name: str, given: object) -> list[str]:
    """Return stop strings as a list; a single string is allowed."""
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) and one for one in found):
        raise ConfigurationError(f"Sampling: {name} is {given!r}: use non-empty strings")
    return list(found)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much one run may spend; `None` is no limit. Limits hold while text streams.

    When a limit is reached, open threads are closed and joined, and the model is made to answer within the
    reserve, which is part of the limit; with `on_exhausted="stop"` the run ends at once.

    Raises:
        BudgetError: a limit is negative or zero.
    """

    total_tokens: int | None = None
    """Tokens generated in the whole run."""
    critical_path_tokens: int | None = None
    """Tokens outside threads, and for each block those of its longest thread."""
    thread_tokens: int | None = None
    """Tokens of one thread; a thread that reaches it is closed and joined, and the run continues."""
    seconds: float | None = None
    """Wall-clock seconds of the whole run."""
    max_threads: int = 50
    """Threads of one block; further outlines are ignored."""
    max_forks: int = 32
    """Blocks of one run, nested ones included."""
    max_depth: int = 1
    """How deep blocks may nest: 1 allows no block inside a thread, 0 no block at all."""
    on_exhausted: Literal["answer", "stop"] = "answer"
    reserve_tokens: int = 256
    """Tokens of each limit reserved for the answer; at most a quarter of the limit."""
    reserve_seconds: float = 5.0
    """Seconds of the limit reserved for the answer; at most a quarter of the limit."""

    def __post_init__(self) -> None:
        for name in ("total_tokens", "critical_path_tokens", "thread_tokens", "seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BudgetError(f"Budget({name}={value}): a limit is more than 0, or None for no limit")
        for name in ("max_threads", "max_forks", "max_depth", "reserve_tokens", "reserve_seconds"):
            value = getattr(self, name)
            if value < 0:
                raise BudgetError(f"Budget({name}={value}): use 0 or more")
        if self.on_exhausted not in ("answer", "stop"):
            raise BudgetError(f'Budget(on_exhausted={self.on_exhausted!r}): use "answer" or "stop"')


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many completions may run at once; further ones wait in a FIFO queue.

    Raises:
        ConfigurationError: the number is not 1 or more.
    """

    max_concurrency: int = 64
    """Completions at once, over all runs. An engine takes at most as many as it has slots."""
    learn: bool = True
    """Whether the limit adapts to the server's 429s: lowered when one of several requests is refused, raised
    again after successful completions. If not, a 429 is retried like any other error."""

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise ConfigurationError(f"max_concurrency={self.max_concurrency}: use 1 or more")

    @classmethod
    def of(cls, given: int | Self) -> Self:
        """Return limits unchanged, or made from a number of completions."""
        return cls(max_concurrency=given) if isinstance(given, int) else given


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is retried.

    Raises:
        ConfigurationError: the number is negative.
    """

    retries: int = 2
    """Further attempts after the first."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    """Waits this many seconds before an attempt; tests replace it."""

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ConfigurationError(f"retries={self.retries}: use 0 or more")

    @classmethod
    def of(cls, given: int | Self) -> Self:
        """Return a policy unchanged, or made from a number of retries."""
        return cls(retries=given) if isinstance(given, int) else given


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The price of a million tokens of a model, in a currency of your choice.

    Raises:
        ConfigurationError: a price is negative.
    """

    input: float
    output: float
    cached_input: float | None = None
    """Price of input tokens from the prefix cache; `input` if not given."""

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigurationError(f"Prices({name}={value}): use 0 or more")

    def cost(self, *, prompt_tokens: int, cached_prompt_tokens: int, completion_tokens: int) -> float:
        """Return the cost; `cached_prompt_tokens` are included in `prompt_tokens`."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = prompt_tokens - cached_prompt_tokens
        million = 1_000_000
        return (
            fresh * self.input + cached_prompt_tokens * cached + completion_tokens * self.output
        ) / million
