"""Log-probabilities of tokens: how to request them, and the formats in which servers send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weaver_sdk.backends.base import CompletionRequest, TokenLogprob


def completions_fields(request: CompletionRequest) -> dict[str, Any]:
    """Return the request field for `/v1/completions`; empty if no logprobs are requested."""
    return {"logprobs": request.logprobs} if request.logprobs > 0 else {}


def chat_fields(request: CompletionRequest) -> dict[str, Any]:
    """Return the request fields for `/v1/chat/completions`; empty if no logprobs are requested."""
    return {"logprobs": True, "top_logprobs": request.logprobs} if request.logprobs > 0 else {}


def read_logprobs(logprobs: object) -> tuple[TokenLogprob, ...]:
    """Parse the `logprobs` of a choice, in either of the two formats; empty if null.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: the format is unknown.
    """
    if not isinstance(logprobs, dict):
        return ()
    if "tokens" not in logprobs:
        return read_entries(logprobs.get("content") or ())
    tokens = logprobs["tokens"]
    top_tokens = logprobs.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        TokenLogprob(token, logprob, _sorted((top or {}).items()))
        for token, logprob, top in zip(tokens, logprobs["token_logprobs"], top_tokens, strict=True)
        if logprob is not None
    )


def read_entries(entries: Sequence[Mapping[str, Any]]) -> tuple[TokenLogprob, ...]:
    """Parse objects with `token`, `logprob` and `top_logprobs`: chat servers, and llama.cpp.

    Raises:
        AttributeError, LookupError, TypeError: the format is unknown.
    """
    return tuple(
        TokenLogprob(
            entry["token"],
            entry["logprob"],
            _sorted((top["token"], top["logprob"]) for top in entry.get("top_logprobs") or ()),
        )
        for entry in entries
        if entry.get("logprob") is not None
    )


def skip_characters(tokens: tuple[TokenLogprob, ...], characters: int) -> tuple[TokenLogprob, ...]:
    """Return the tokens without those that lie wholly within the first `characters`."""
    for number, one in enumerate(tokens):
        if len(one.token) > characters:
            return tokens[number:]
        characters -= len(one.token)
    return ()


def _sorted(top_tokens: Any) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(top_tokens, key=lambda one: one[1], reverse=True))
