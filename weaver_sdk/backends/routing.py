"""How a routing key is sent: by the headers that routers read, and by the body's field that a host reads.

All requests of a run begin alike. The key keeps them on one replica, where that beginning is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from weaver_sdk.backends.base import Capabilities, CompletionRequest

ROUTING_HEADERS = ("x-session-id", "x-smg-routing-key")
"""What vllm-router, OpenRouter and most gateways read, and what sglang-router reads."""


def routing_headers(request: CompletionRequest) -> Mapping[str, str] | None:
    """Return the headers that tell a request's routing key; `None` where it has none."""
    if not request.routing_key:
        return None
    return dict.fromkeys(ROUTING_HEADERS, quote(request.routing_key))


def routing_fields(request: CompletionRequest, capabilities: Capabilities) -> dict[str, Any]:
    """Return the field of the body that tells a request's routing key, where the server reads one."""
    if not request.routing_key or capabilities.routing_field is None:
        return {}
    return {capabilities.routing_field: request.routing_key}
