"""The contract of an HTTP transport to one server. Implementations: `direct.py` and `clients.py`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Protocol

import httpx2

from weaver_sdk.errors import ConfigurationError


class RawResponse(Protocol):
    """A response whose headers have arrived and whose body has not been read."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, with lower-case names."""
        ...

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; empty at its end.

        Raises:
            TimeoutError: nothing arrived within `seconds`.
            httpx2.RequestError: the connection broke.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection at once, unless the body is complete."""
        ...


class Transport(Protocol):
    """A transport to one server. An error status does not raise: it is an ordinary response."""

    @property
    def base_url(self) -> str:
        """The address, without credentials and without a trailing slash."""
        ...

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """POST JSON to a path under the address, or to a full URL on the same server.

        Raises:
            httpx2.RequestError: the request could not be sent, or there was no response.
        """
        ...

    async def get(self, path: str) -> RawResponse:
        """GET a path under the address, or a full URL on the same server.

        Raises:
            httpx2.RequestError: the request could not be sent, or there was no response.
        """
        ...

    def redact(self, body: bytes) -> bytes:
        """Redact the API key, in case the server echoed it in a response."""
        ...

    async def aclose(self) -> None:
        """Close what the transport opened itself; the user's client stays open."""
        ...


def server_address(base_url: str) -> httpx2.URL:
    """Return a server's address as a URL.

    Raises:
        ConfigurationError: it is not a valid HTTP address.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"base_url={base_url!r} is not a valid address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(f"base_url={base_url!r}: use an address such as http://127.0.0.1:8000/v1")
    return url


def display_url(url: httpx2.URL) -> str:
    """Return an address that is safe to show: without credentials or query."""
    return str(url.copy_with(userinfo=b"", query=None)).rstrip("/")


def join_url(url: httpx2.URL, path: str) -> httpx2.URL:
    """Return the URL of a path under an address; a full URL is returned unchanged."""
    return httpx2.URL(path) if "://" in path else url.copy_with(path=url.path.rstrip("/") + path)


def default_headers(url: httpx2.URL, api_key: str | None) -> dict[str, str]:
    """Return the headers of every request to a server, its credentials included.

    Raises:
        ConfigurationError: the key cannot be sent.
    """
    headers = {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",  # a compressing proxy would delay chunks
        "user-agent": "weaver-sdk",
    }
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError(
            "api_key has characters that are not allowed in a header: was it copied correctly?"
        )
    if key:
        headers["authorization"] = f"Bearer {key}"
    elif url.userinfo:
        headers["authorization"] = "Basic " + b64encode(url.userinfo).decode()
    return headers


def redact_key(body: bytes, api_key: str | None) -> bytes:
    """Redact an API key in a response body."""
    key = (api_key or "").strip()
    return body.replace(key.encode(), b"[key]") if key else body
