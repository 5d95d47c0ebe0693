"""Identify a server and its capabilities: done once, before the first completion."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from weaver_sdk.backends.base import Capabilities, ServerKind
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.http.errors import parse_object
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.errors import APIStatusError, BackendError, ConnectionFailed

_log = logging.getLogger("weaver_sdk")

PROBE_SECONDS = 5.0
"""Timeout of each probe request."""
_PAGE_BYTES = 8 * 1024 * 1024
_REFUSED = (401, 403)
_NOT_THERE = (404, 405, 501)

_OWNERS: dict[str, ServerKind] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "openai": "openai",
}
"""`owned_by` in the list of models -> the kind of server."""

_PAGES: tuple[tuple[str, str, ServerKind], ...] = (
    ("/props", "default_generation_settings", "llama.cpp"),
    ("/get_server_info", "model_path", "sglang"),
    ("/version", "version", "vllm"),
)
"""An endpoint that only one kind of server has, and a field of its response."""


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server reports about itself."""

    capabilities: Capabilities
    models: tuple[str, ...]
    """The models it serves; empty if not reported."""


async def probe(transport: Transport, seconds: float = PROBE_SECONDS) -> ServerFacts:
    """Find out a server's kind, models and capabilities.

    A server that reports nothing of use is of kind "unknown"; that is not an error.

    Args:
        seconds: timeout of each request.

    Raises:
        ConnectionFailed: no server at the address.
        APIStatusError: the server refuses the key.
    """
    listed = await _models(transport, seconds)
    owner = next((str(model.get("owned_by", "")).lower() for model in listed), "")
    kind = _OWNERS.get(owner) or await _kind_by_pages(transport, seconds)
    length = listed[0].get("max_model_len") if listed else None
    capabilities = KNOWN.get(kind) or await _unknown(transport, seconds)
    return ServerFacts(
        capabilities=replace(capabilities, context_tokens=length if isinstance(length, int) else None),
        models=tuple(str(model["id"]) for model in listed),
    )


async def takes_completions(transport: Transport, seconds: float = PROBE_SECONDS) -> bool:
    """Return whether a server has `/completions`. The request is empty, so that nothing is generated.

    Raises:
        ConnectionFailed: no server at the address.
    """
    try:
        await fetch_json(transport, "/completions", {}, seconds=seconds)
    except APIStatusError as error:
        return error.status not in _NOT_THERE
    except ConnectionFailed:
        raise
    except BackendError:
        return True  # a timeout, say: the endpoint exists
    return True


async def served_models(transport: Transport, seconds: float = PROBE_SECONDS) -> tuple[str, ...]:
    """Return the names of the models that a server serves; empty if not reported.

    Raises:
        ConnectionFailed: no server at the address.
        APIStatusError: the server refuses the key.
    """
    return tuple(str(model["id"]) for model in await _models(transport, seconds))


async def fetch_json(
    transport: Transport, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = PROBE_SECONDS
) -> dict[str, Any] | None:
    """GET a path (or POST a JSON body); return the JSON object, or `None` if the response is no object.

    Raises:
        BackendError: the request failed.
    """
    timeouts = Timeouts(first=seconds, idle=seconds)
    response = await Response.open(transport, path, body, timeouts=timeouts)
    page = b""
    async with aclosing(response):
        while len(page) < _PAGE_BYTES and (part := await response.read(seconds)):
            page += part
    return parse_object(page)


def server_root(transport: Transport) -> str:
    """Return the address without `/v1`: the base of a server's endpoints outside the OpenAI API."""
    return transport.base_url.removesuffix("/v1")


async def _models(transport: Transport, seconds: float) -> list[dict[str, Any]]:
    try:
        page = await fetch_json(transport, "/models", seconds=seconds)
    except APIStatusError as error:
        if error.status in _REFUSED:
            raise
        if error.status >= 500 and error.status not in _NOT_THERE:  # a router whose first replica is down
            _log.warning("could not identify the server at %s: %s", transport.base_url, error)
        return []
    except ConnectionFailed:
        raise
    except BackendError:
        return []
    data = (page or {}).get("data")
    models = data if isinstance(data, list) else []
    return [model for model in models if isinstance(model, dict) and "id" in model]


async def _unknown(transport: Transport, seconds: float) -> Capabilities:
    return Capabilities(api="completions" if await takes_completions(transport, seconds) else "chat")


async def _kind_by_pages(transport: Transport, seconds: float) -> ServerKind:
    pages = await asyncio.gather(
        *(_fetch_page(transport, server_root(transport) + path, seconds) for path, _, _ in _PAGES)
    )
    for page, (_, field, kind) in zip(pages, _PAGES, strict=True):
        if field in page:
            return kind
    return "unknown"


async def _fetch_page(transport: Transport, address: str, seconds: float) -> dict[str, Any]:
    try:
        return await fetch_json(transport, address, seconds=seconds) or {}
    except BackendError:
        return {}  # a missing endpoint rules the kind out
