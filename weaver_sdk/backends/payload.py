"""The JSON of `/v1/completions`: what a request says, and what a chunk means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, ServerKind, Usage
from weaver_sdk.backends.logprobs import completions_fields, read_logprobs
from weaver_sdk.backends.routing import routing_fields
from weaver_sdk.errors import ProtocolError

_GRAMMAR_FIELD: dict[ServerKind, str] = {"llama.cpp": "grammar", "sglang": "ebnf"}

_ANY_CONTEXT = 1 << 20
"""More than any context: what is asked for where it is not known how long it is."""
_CHARACTERS_OF_A_TOKEN = 3
"""Fewer than most tokens have."""


def request_body(
    request: CompletionRequest, model: str, capabilities: Capabilities, tokens: list[int] | None = None
) -> dict[str, Any]:
    """Return the fields of a streamed request; extras only where the server is known to take them.

    Args:
        tokens: those of the request's text, where it is sent as such.
    """
    body: dict[str, Any] = {
        "model": model,
        "prompt": request.text if tokens is None else tokens,
        "max_tokens": token_limit(request, capabilities),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= completions_fields(request)
    return constraint_fields(request, capabilities) | _schema_field(request, capabilities) | body


def token_limit(request: CompletionRequest, capabilities: Capabilities) -> int | None:
    """Return `max_tokens`. "No limit" is the whole context: vLLM grants 16 tokens where the field is missing.

    SGLang grants 16 too, takes no null, and refuses what the prompt leaves no room for. So it is asked for
    what is surely left; where even that is too much, its refusal tells the room.
    """
    asked, most = request.max_tokens, capabilities.context_tokens
    if most is None:
        return asked if asked is not None or capabilities.server != "sglang" else _ANY_CONTEXT
    if capabilities.server == "sglang":
        most = max(1, most - len(request.text) // _CHARACTERS_OF_A_TOKEN)
    return most if asked is None else min(asked, most)


def constraint_fields(request: CompletionRequest, capabilities: Capabilities) -> dict[str, Any]:
    """Return the fields that both endpoints take: where to stop, what form to keep, how to pick tokens.

    What a run needs goes before what a user has given in `Sampling.extra`.
    """
    body: dict[str, Any] = dict(capabilities.extra_fields) | request.sampling.as_fields()
    if stops := stop_strings(request, capabilities.most_stops):
        body["stop"] = stops
    if capabilities.token_ids:
        body["return_token_ids"] = True
    if request.grammar is not None and capabilities.grammar:
        if capabilities.server == "vllm":
            body["structured_outputs"] = {"grammar": request.grammar}
        else:
            body[_GRAMMAR_FIELD.get(capabilities.server, "grammar")] = request.grammar
    return body | routing_fields(request, capabilities)


def stop_strings(request: CompletionRequest, most: int | None = None) -> list[str]:
    """Return the strings to stop at. Where they are too many, some of the run's are left out.

    A run finds its tags in the text too; for a string of the user's nobody looks but the server.
    """
    stops = list(request.stops)
    if most is None or len(stops) <= most:
        return stops
    users = request.sampling.stop
    room = max(0, most - len(users))
    return [*[stop for stop in request.stop if stop not in users][:room], *users]


def _schema_field(request: CompletionRequest, capabilities: Capabilities) -> dict[str, Any]:
    if request.json_schema is None or not capabilities.json_schema:
        return {}
    if capabilities.server == "vllm":
        return {"structured_outputs": {"json": dict(request.json_schema)}}
    schema = dict(request.json_schema)
    return {"json_schema": json.dumps(schema) if capabilities.server == "sglang" else schema}


def read_chunk(told: Mapping[str, Any]) -> Chunk | None:
    """Return what one object of the stream says, or `None` if it says nothing of use.

    Raises:
        ProtocolError: it has not the shape of a chunk.
    """
    usage = read_usage(told) if "usage" in told or "timings" in told else None
    choices = told.get("choices")
    if not choices:
        return None if usage is None else Chunk(usage=usage)
    try:
        choice = choices[0]
        text = choice.get("text") or ""
        finish = choice.get("finish_reason") or None
        ids, prompt_ids = choice.get("token_ids"), choice.get("prompt_token_ids")
        likely = choice.get("logprobs")
        logprobs = read_logprobs(likely) if likely else ()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ProtocolError(f"a chunk of the stream has an unknown shape: {str(told)[:200]}") from error
    if finish is None and usage is None and not ids and not prompt_ids and not logprobs:
        return Chunk(text=text) if text else None
    return Chunk(
        text=text,
        token_ids=tuple(ids) if ids else (),
        prompt_ids=tuple(prompt_ids) if prompt_ids else (),
        finish_reason=finish,
        matched_stop=matched_stop(told, choice) if finish else None,
        usage=usage,
        logprobs=logprobs,
    )


def read_usage(told: Mapping[str, Any]) -> Usage | None:
    """Return the token counts of a chunk; llama.cpp gives them as `timings` too."""
    usage, timings = told.get("usage"), told.get("timings")
    if usage is None and timings is None:
        return None
    cached = timings.get("cache_n") if isinstance(timings, dict) else None
    if isinstance(usage, dict):
        details = usage.get("prompt_tokens_details")
        found = details.get("cached_tokens") if isinstance(details, dict) else None
        return Usage(
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            cached_prompt_tokens=cached if found is None else found,
        )
    if isinstance(timings, dict) and "predicted_n" in timings:
        prompt = (cached or 0) + timings.get("prompt_n", 0)
        return Usage(
            prompt_tokens=prompt, completion_tokens=timings["predicted_n"], cached_prompt_tokens=cached
        )
    return None


def matched_stop(told: Mapping[str, Any], choice: Mapping[str, Any]) -> str | None:
    """Return the stop string that ended the text. A number here is a token's id, and no string."""
    words = (choice.get("stop_reason"), choice.get("matched_stop"), told.get("stopping_word"))
    return next((word for word in words if isinstance(word, str) and word), None)
