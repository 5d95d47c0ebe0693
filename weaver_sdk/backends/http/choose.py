"""Choose the transport to a server from the user's arguments."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import httpx2

from weaver_sdk.backends.http.clients import HttpxTransport, OpenAITransport
from weaver_sdk.backends.http.direct import DirectTransport
from weaver_sdk.backends.http.transport import Transport, server_address
from weaver_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import openai


def transport_to(
    base_url: str | None,
    api_key: str | None = None,
    *,
    http_client: httpx2.AsyncClient | None = None,
    client: openai.AsyncOpenAI | None = None,
    max_concurrency: int = 64,
    connect: float = 10.0,
) -> Transport:
    """Return the transport for the user's arguments: an address, or a client of their own.

    Args:
        max_concurrency: idle connections to keep for the next requests.
        connect: connect timeout, in seconds.

    Raises:
        ConfigurationError: they name no server, or more than one; or the key cannot be sent.
    """
    if client is not None:
        for name, value in (("base_url", base_url), ("api_key", api_key), ("http_client", http_client)):
            if value is not None:
                raise ConfigurationError(f"pass client or {name}, not both: an AsyncOpenAI has its own")
        return OpenAITransport(client, connect=connect)
    if http_client is not None:
        base_url = str(http_client.base_url) if base_url is None else base_url
        return HttpxTransport(base_url, api_key, http_client, connect=connect)
    if base_url is None:
        raise ConfigurationError("no server: pass base_url, such as http://127.0.0.1:8000/v1, or a client")
    if _has_proxy(base_url):
        # The concurrency limiter alone bounds the requests: a second limit here would get in its way.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=max_concurrency)
        return HttpxTransport(
            base_url, api_key, httpx2.AsyncClient(limits=limits), owned=True, connect=connect
        )
    return DirectTransport(base_url, api_key, max_idle=max_concurrency, connect=connect)


def _has_proxy(base_url: str) -> bool:
    url, proxies = server_address(base_url), urllib.request.getproxies()
    return (url.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(url.host)
