"""A transport over our own connections: the fastest, and the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic_core import to_json

from weaver_sdk.backends.http.connections import Connection, Connections
from weaver_sdk.backends.http.transport import (
    RawResponse,
    default_headers,
    display_url,
    join_url,
    redact_key,
    server_address,
)
from weaver_sdk.errors import ConfigurationError


class DirectTransport:
    """A transport to an address. The key is sent in a header and used nowhere else.

    Args:
        max_idle: idle connections to keep for the next requests.
        connect: connect timeout, in seconds.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, max_idle: int = 64, connect: float = 10.0
    ) -> None:
        self._url = server_address(base_url)
        self._key = api_key
        self._display_url = display_url(self._url)
        sent = {"host": self._url.netloc.decode()} | default_headers(self._url, api_key)
        self._headers = _lines(sent)
        self._targets: dict[str, bytes] = {}
        self._connections = Connections(self._url, max_idle=max_idle, connect=connect)

    def __repr__(self) -> str:
        return f"DirectTransport({self._display_url!r})"

    @property
    def base_url(self) -> str:
        """The address, without credentials."""
        return self._display_url

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """POST JSON."""
        content = to_json(body)
        sent = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        return await self._send("POST", path, _lines(sent), content)

    async def get(self, path: str) -> RawResponse:
        """GET a path."""
        return await self._send("GET", path, b"", b"")

    async def _send(self, method: str, path: str, headers: bytes, content: bytes) -> RawResponse:
        if self._connections.closed:
            raise ConfigurationError(f"the backend for {self._display_url} has been closed")
        target = self._targets.get(path)
        if target is None:  # cached: paths are few, and parsing one takes as long as the rest of the request
            target = self._targets[path] = join_url(self._url, path).raw_path
        message = b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (
            method.encode(),
            target,
            self._headers,
            headers,
            content,
        )
        return _DirectResponse(await self._connections.request(method, message))

    def redact(self, body: bytes) -> bytes:
        """Redact the API key."""
        return redact_key(body, self._key)

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
            encoding = self.headers["content-encoding"]
            raise httpx2.DecodingError(f"content-encoding {encoding}, though the request forbids it")

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
