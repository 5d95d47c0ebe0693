"""How requests reach one server. The contract; the ways themselves are in `direct.py` and `clients.py`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Protocol

import httpx2

from weaver_sdk.errors import ConfigurationError


class RawResponse(Protocol):
    """An answer whose head has come and whose body has not been read."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, to be looked up in small letters."""
        ...

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; nothing at its end.

        Raises:
            TimeoutError: nothing came for so many seconds.
            httpx2.RequestError: the connection broke.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection at once, unless the body has come to its end."""
        ...


class Transport(Protocol):
    """One server, as the backends see it. An error status does not raise: it is an answer like others."""

    @property
    def base_url(self) -> str:
        """The address, without a user's name or password in it and without a slash at its end."""
        ...

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """Send JSON to a path below the address, or to a whole address on the same server.

        Raises:
            httpx2.RequestError: the request could not be sent, or no answer came.
        """
        ...

    async def get(self, path: str) -> RawResponse:
        """Ask for a path below the address, or for a whole address on the same server.

        Raises:
            httpx2.RequestError: the request could not be sent, or no answer came.
        """
        ...

    def hide(self, told: bytes) -> bytes:
        """Blot out the key, should the server have repeated it in what it told."""
        ...

    async def aclose(self) -> None:
        """Close what was opened here; what the user gave stays open."""
        ...


def server_address(base_url: str) -> httpx2.URL:
    """Return a server's address as a URL.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"base_url={base_url!r} is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(f"base_url={base_url!r}: use an address such as http://127.0.0.1:8000/v1")
    return url


def shown(url: httpx2.URL) -> str:
    """Return an address as it may be shown: without a name, a password or a query."""
    return str(url.copy_with(userinfo=b"", query=None)).rstrip("/")


def below(url: httpx2.URL, path: str) -> httpx2.URL:
    """Return the URL of a path below an address; a whole URL stays as it is."""
    return httpx2.URL(path) if "://" in path else url.copy_with(path=url.path.rstrip("/") + path)


def usual_headers(url: httpx2.URL, api_key: str | None) -> dict[str, str]:
    """Return what every request to a server says, its credentials included.

    Raises:
        ConfigurationError: the key cannot be sent.
    """
    headers = {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",  # a compressor in between would hold chunks back
        "user-agent": "weaver-sdk",
    }
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("api_key holds characters that no header can carry: was it copied whole?")
    if key:
        headers["authorization"] = f"Bearer {key}"
    elif url.userinfo:
        headers["authorization"] = "Basic " + b64encode(url.userinfo).decode()
    return headers


def without_key(told: bytes, api_key: str | None) -> bytes:
    """Blot out a key in what a server told."""
    key = (api_key or "").strip()
    return told.replace(key.encode(), b"[key]") if key else told
