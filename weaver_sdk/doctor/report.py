"""The results of diagnosing a server: plain data. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from weaver_sdk.backends.base import Api, Prefill, ServerKind
from weaver_sdk.backends.side_by_side import SideBySide


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Results for one of the two endpoints."""

    works: bool
    error: str | None = None
    """Why it does not work."""
    stops: bool | None = None
    """Whether a text ends at a stop string; `None` if the text was too short for the test."""
    names_stop: bool = False
    """Whether it reports which stop string ended a text."""
    token_ids: bool = False
    counts_tokens: bool = False
    """Whether it reports usage."""
    reasoning_apart: bool = False
    """Whether reasoning comes in a separate field."""
    refused_fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """The same long prompt, sent twice."""

    prompt_tokens: int | None
    cached_tokens: int | None
    """Prefix-cache hits of the second request, from its usage or from the server's counters, which also count
    other clients' requests; `None` if neither reports them."""
    told_by: Literal["answer", "counters"] = "answer"
    """Where `cached_tokens` is from: the response's usage, or the server's counters."""
    first_seconds: float
    """Time to first token of the first request."""
    second_seconds: float
    """The same for the second request."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A text that the model wrote, tokenized again."""

    written: int
    """Tokens that the model wrote."""
    changed: int
    """Of these, tokens that are missing after tokenizing the text again."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Concurrent requests."""

    tried: int
    accepted: int
    """The highest number that all succeeded."""
    alone_seconds: float
    together_seconds: float
    """The time of one request alone, and of all that were accepted."""


@dataclass(frozen=True, kw_only=True)
class ServerReport:
    """The results for one server and model."""

    base_url: str
    server: ServerKind
    model: str
    context_tokens: int | None
    api: Api | None
    """The endpoint that "auto" chooses; `None` if neither works."""
    completions: Endpoint
    chat: Endpoint
    prefill: Prefill
    """How a text will be continued over chat, by the known capabilities of the server."""
    prefill_found: Prefill | None
    """The first kind of prefill that worked in a test."""
    special_tags: bool | None
    """Whether a tag that is a single token of the model appears in its text; `None` if there is no such tag,
    or no way to test it."""
    drift: Drift | None
    """`None` if the server does not return token ids."""
    repeated: Repeated | None
    crowd: Crowd | None
    side_by_side: SideBySide | None
    """What it gains from requests at once; `None` if that could not be measured."""
