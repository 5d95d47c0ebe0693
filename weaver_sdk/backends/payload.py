"""The JSON of `/v1/completions`: requests, and the parsing of stream chunks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, ServerKind, StructuralTag, Usage
from weaver_sdk.backends.logprobs import completions_fields, read_logprobs
from weaver_sdk.backends.routing import routing_fields
from weaver_sdk.errors import ProtocolError

_GRAMMAR_FIELD: dict[ServerKind, str] = {"llama.cpp": "grammar", "sglang": "ebnf"}

_ANY_CONTEXT = 1 << 20
"""More than any context: requested if its length is unknown."""
_CHARACTERS_PER_TOKEN = 3
"""Fewer than in most tokens, so that the estimate is on the safe side."""


def request_body(
    request: CompletionRequest, model: str, capabilities: Capabilities, tokens: list[int] | None = None
) -> dict[str, Any]:
    """Return the fields of a streamed request; extensions only if the server is known to support them.

    Args:
        tokens: the request's text as tokens, to be sent in its place.
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
    """Return `max_tokens`. "No limit" is the whole context: vLLM defaults to 16 tokens.

    SGLang defaults to 16 too, accepts no null, and refuses more than the prompt leaves of the context. So it
    gets a low estimate of what is left; if even that is too much, its error names the limit.
    """
    asked, most = request.max_tokens, capabilities.context_tokens
    if most is None:
        return asked if asked is not None or capabilities.server != "sglang" else _ANY_CONTEXT
    if capabilities.server == "sglang":
        most = max(1, most - len(request.text) // _CHARACTERS_PER_TOKEN)
    return most if asked is None else min(asked, most)


def constraint_fields(request: CompletionRequest, capabilities: Capabilities) -> dict[str, Any]:
    """Return the fields that both endpoints take: stop strings, grammar, sampling, routing key.

    The run's own fields take precedence over the user's `Sampling.extra`.
    """
    body: dict[str, Any] = dict(capabilities.extra_fields) | request.sampling.as_fields()
    if stops := stop_strings(request, capabilities.most_stops):
        body["stop"] = stops
    if capabilities.token_ids:
        body["return_token_ids"] = True
    if request.grammar is not None and capabilities.grammar:
        if isinstance(request.grammar, StructuralTag):
            tag = {"type": "structural_tag", "format": request.grammar.format}
            body["structured_outputs"] = {"structural_tag": json.dumps(tag)}
        elif capabilities.server == "vllm":
            body["structured_outputs"] = {"grammar": request.grammar}
        else:
            body[_GRAMMAR_FIELD.get(capabilities.server, "grammar")] = request.grammar
    return body | routing_fields(request, capabilities)


def stop_strings(request: CompletionRequest, most: int | None = None) -> list[str]:
    """Return the stop strings to send. If there are too many, some of the run's are left out.

    The run looks for its own in the text as well; only the server looks for the user's.
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


def read_chunk(data: Mapping[str, Any]) -> Chunk | None:
    """Parse one object of the stream; `None` if it holds nothing of use.

    Raises:
        ProtocolError: it is not a chunk.
    """
    usage = read_usage(data) if "usage" in data or "timings" in data else None
    choices = data.get("choices")
    if not choices:
        return None if usage is None else Chunk(usage=usage)
    try:
        choice = choices[0]
        text = choice.get("text") or ""
        finish = choice.get("finish_reason") or None
        ids, prompt_ids = choice.get("token_ids"), choice.get("prompt_token_ids")
        raw_logprobs = choice.get("logprobs")
        logprobs = read_logprobs(raw_logprobs) if raw_logprobs else ()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ProtocolError(f"a chunk of the stream has an unknown format: {str(data)[:200]}") from error
    if finish is None and usage is None and not ids and not prompt_ids and not logprobs:
        return Chunk(text=text) if text else None
    return Chunk(
        text=text,
        token_ids=tuple(ids) if ids else (),
        prompt_ids=tuple(prompt_ids) if prompt_ids else (),
        finish_reason=finish,
        matched_stop=matched_stop(data, choice) if finish else None,
        usage=usage,
        logprobs=logprobs,
    )


def read_usage(data: Mapping[str, Any]) -> Usage | None:
    """Return the token counts of a chunk; llama.cpp also sends them as `timings`."""
    usage, timings = data.get("usage"), data.get("timings")
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


def matched_stop(data: Mapping[str, Any], choice: Mapping[str, Any]) -> str | None:
    """Return the stop string that ended the text. A number in its place is a token id, and is ignored."""
    words = (choice.get("stop_reason"), choice.get("matched_stop"), data.get("stopping_word"))
    return next((word for word in words if isinstance(word, str) and word), None)
