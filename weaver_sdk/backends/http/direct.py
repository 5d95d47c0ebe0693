"""A server reached over connections of our own: the fastest way, and the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic_core import to_json

from weaver_sdk.backends.http.connections import Connection, Connections
from weaver_sdk.backends.http.transport import (
    RawResponse,
    below,
    server_address,
    shown,
    usual_headers,
    without_key,
)
from weaver_sdk.errors import ConfigurationError


class DirectTransport:
    """A server by its address. The key goes into a header and nowhere else.

    Args:
        max_idle: connections that are kept for the next requests.
        connect: seconds to wait for a connection.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, max_idle: int = 64, connect: float = 10.0
    ) -> None:
        self._url = server_address(base_url)
        self._key = api_key
        self._shown = shown(self._url)
        sent = {"host": self._url.netloc.decode()} | usual_headers(self._url, api_key)
        self._headers = _lines(sent)
        self._targets: dict[str, bytes] = {}
        self._connections = Connections(self._url, max_idle=max_idle, connect=connect)

    def __repr__(self) -> str:
        return f"DirectTransport({self._shown!r})"

    @property
    def base_url(self) -> str:
        """The address, without credentials."""
        return self._shown

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """Send JSON."""
        content = to_json(body)
        sized = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        return await self._send("POST", path, _lines(sized), content)

    async def get(self, path: str) -> RawResponse:
        """Ask for a page."""
        return await self._send("GET", path, b"", b"")

    async def _send(self, method: str, path: str, headers: bytes, content: bytes) -> RawResponse:
        if self._connections.closed:
            raise ConfigurationError(f"the backend for {self._shown} has been closed")
        target = self._targets.get(path)
        if target is None:  # paths are few, and parsing one costs as much as the rest of the request
            target = self._targets[path] = below(self._url, path).raw_path
        message = b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (
            method.encode(),
            target,
            self._headers,
            headers,
            content,
        )
        return _DirectResponse(await self._connections.request(method, message))

    def hide(self, told: bytes) -> bytes:
        """Blot out the key."""
        return without_key(told, self._key)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()


class _DirectResponse:
    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status = connection.head.status
        self.headers = connection.head.headers
        self.read = connection.read
        if "content-encoding" in self.headers:
            connection.abort()
            packed = self.headers["content-encoding"]
            raise httpx2.DecodingError(f"content-encoding {packed}, though the request forbids it")

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
