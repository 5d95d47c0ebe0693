"""What an examination of a server found: plain data. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from weaver_sdk.backends.base import Api, Prefill, ServerKind


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One of the two endpoints."""

    works: bool
    error: str | None = None
    """Why it does not."""
    stops: bool | None = None
    """Whether a text ends at a stop string; `None` where the text was too short to tell."""
    names_stop: bool = False
    """Whether it says which stop string ended a text."""
    token_ids: bool = False
    counts_tokens: bool = False
    """Whether it sends token counts."""
    reasoning_apart: bool = False
    """Whether reasoning comes in a field of its own."""
    refused_fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """The same long prompt, sent twice."""

    prompt_tokens: int | None
    cached_tokens: int | None
    """Those of the second time that came from the cache, by the answer or by the server's counters, which
    others move too; `None` where neither says."""
    told_by: Literal["answer", "counters"] = "answer"
    first_seconds: float
    """Until the first token came, the first time."""
    second_seconds: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A text of the model, cut into tokens again."""

    written: int
    """Tokens that the model wrote."""
    changed: int
    """Those of them that came out as others."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Requests at once."""

    tried: int
    accepted: int
    """The most that were all answered."""
    alone_seconds: float
    together_seconds: float
    """How long one request took by itself, and all that were accepted."""


@dataclass(frozen=True, kw_only=True)
class ServerReport:
    """What was found."""

    base_url: str
    server: ServerKind
    model: str
    context_tokens: int | None
    api: Api | None
    """The endpoint that "auto" takes; `None` where neither works."""
    completions: Endpoint
    chat: Endpoint
    prefill: Prefill
    """How a text will be continued over chat, by what is known of the server."""
    prefill_found: Prefill | None
    """The first way of prefill that was seen to work."""
    special_tags: bool | None
    """Whether a tag that is a single token of the model shows in its text; `None` where there is no such tag,
    or no way to tell."""
    drift: Drift | None
    """`None` where the server does not tell tokens."""
    repeated: Repeated | None
    crowd: Crowd | None
