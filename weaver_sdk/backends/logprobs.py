"""Log-probabilities of tokens: how servers are asked for them, and the shapes in which they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weaver_sdk.backends.base import CompletionRequest, TokenLogprob


def completions_fields(request: CompletionRequest) -> dict[str, Any]:
    """Return the field by which `/v1/completions` is asked; none where nothing is wanted."""
    return {"logprobs": request.logprobs} if request.logprobs > 0 else {}


def chat_fields(request: CompletionRequest) -> dict[str, Any]:
    """Return the fields by which `/v1/chat/completions` is asked; none where nothing is wanted."""
    return {"logprobs": True, "top_logprobs": request.logprobs} if request.logprobs > 0 else {}


def read_logprobs(told: object) -> tuple[TokenLogprob, ...]:
    """Return what the `logprobs` of a choice say, in whichever of the two shapes; nothing where null.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: they have another shape.
    """
    if not isinstance(told, dict):
        return ()
    if "tokens" not in told:
        return read_entries(told.get("content") or ())
    tokens = told["tokens"]
    likeliest = told.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        TokenLogprob(token, logprob, _sorted((top or {}).items()))
        for token, logprob, top in zip(tokens, told["token_logprobs"], likeliest, strict=True)
        if logprob is not None
    )


def read_entries(told: Sequence[Mapping[str, Any]]) -> tuple[TokenLogprob, ...]:
    """Return what objects with `token`, `logprob` and `top_logprobs` say: chat servers, and llama.cpp.

    Raises:
        AttributeError, LookupError, TypeError: they have another shape.
    """
    return tuple(
        TokenLogprob(
            entry["token"],
            entry["logprob"],
            _sorted((top["token"], top["logprob"]) for top in entry.get("top_logprobs") or ()),
        )
        for entry in told
        if entry.get("logprob") is not None
    )


def behind(told: tuple[TokenLogprob, ...], characters: int) -> tuple[TokenLogprob, ...]:
    """Return the tokens without those that lie wholly within so many characters at the beginning."""
    for number, one in enumerate(told):
        if len(one.token) > characters:
            return told[number:]
        characters -= len(one.token)
    return ()


def _sorted(likeliest: Any) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(likeliest, key=lambda one: one[1], reverse=True))
