"""Which server is this, and what can it do? Asked once, before the first completion."""

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
"""How long a server may take to say what it is."""
_PAGE_BYTES = 8 * 1024 * 1024
_REFUSED = (401, 403)
_NOT_THERE = (404, 405, 501)

_OWNERS: dict[str, ServerKind] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "openai": "openai",
}
"""What `owned_by` says in the list of models."""

_PAGES: tuple[tuple[str, str, ServerKind], ...] = (
    ("/props", "default_generation_settings", "llama.cpp"),
    ("/get_server_info", "model_path", "sglang"),
    ("/version", "version", "vllm"),
)
"""A page that only one kind of server has, and a field that stands in it."""


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server says about itself."""

    capabilities: Capabilities
    models: tuple[str, ...]
    """The models it serves; empty where it does not say."""


async def probe(transport: Transport, seconds: float = PROBE_SECONDS) -> ServerFacts:
    """Ask a server what it is, which models it serves, and what it can do.

    A server that answers nothing of use is an unknown one, which is no error.

    Args:
        seconds: how long each question may take.

    Raises:
        ConnectionFailed: nobody answers at the address.
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
    """Tell whether a server has `/completions`. It is asked for nothing, so that it writes nothing.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    try:
        await ask(transport, "/completions", {}, seconds=seconds)
    except APIStatusError as error:
        return error.status not in _NOT_THERE
    except ConnectionFailed:
        raise
    except BackendError:
        return True  # it was busy with it, at least
    return True


async def served_models(transport: Transport, seconds: float = PROBE_SECONDS) -> tuple[str, ...]:
    """Return the names of the models that a server serves; none where it does not say.

    Raises:
        ConnectionFailed: nobody answers at the address.
        APIStatusError: the server refuses the key.
    """
    return tuple(str(model["id"]) for model in await _models(transport, seconds))


async def ask(
    transport: Transport, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = PROBE_SECONDS
) -> dict[str, Any] | None:
    """Return the JSON object at a path (or the answer to a JSON body), or `None` if it is something else.

    Raises:
        BackendError: there was no good answer.
    """
    timeouts = Timeouts(first=seconds, idle=seconds)
    answer = await Response.open(transport, path, body, timeouts=timeouts)
    page = b""
    async with aclosing(answer):
        while len(page) < _PAGE_BYTES and (piece := await answer.read(seconds)):
            page += piece
    return parse_object(page)


def root(transport: Transport) -> str:
    """Return the address under which a server has its own pages, beside those of the OpenAI protocol."""
    return transport.base_url.removesuffix("/v1")


async def _models(transport: Transport, seconds: float) -> list[dict[str, Any]]:
    try:
        page = await ask(transport, "/models", seconds=seconds)
    except APIStatusError as error:
        if error.status in _REFUSED:
            raise
        if error.status >= 500 and error.status not in _NOT_THERE:  # a router whose first replica is gone
            _log.warning("what is at %s cannot be told: %s", transport.base_url, error)
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
        *(_page(transport, root(transport) + path, seconds) for path, _, _ in _PAGES)
    )
    for page, (_, field, kind) in zip(pages, _PAGES, strict=True):
        if field in page:
            return kind
    return "unknown"


async def _page(transport: Transport, address: str, seconds: float) -> dict[str, Any]:
    try:
        return await ask(transport, address, seconds=seconds) or {}
    except BackendError:
        return {}  # a page that is not there tells as much
