"""How a routing key is sent: in the headers that routers read, and in a body field that some hosts read.

All requests of a run share a prefix. The key keeps them on one replica, where the prefix is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from weaver_sdk.backends.base import Capabilities, CompletionRequest

ROUTING_HEADERS = ("x-session-id", "x-smg-routing-key")
"""The first is read by vllm-router, OpenRouter and most gateways, the second by sglang-router."""


def routing_headers(request: CompletionRequest) -> Mapping[str, str] | None:
    """Return the headers that carry a request's routing key; `None` if it has none."""
    if not request.routing_key:
        return None
    return dict.fromkeys(ROUTING_HEADERS, quote(request.routing_key))


def routing_fields(request: CompletionRequest, capabilities: Capabilities) -> dict[str, Any]:
    """Return the body field that carries a request's routing key; empty if the server has none."""
    if not request.routing_key or capabilities.routing_field is None:
        return {}
    return {capabilities.routing_field: request.routing_key}
