"""One streamed HTTP response: opened, read in parts under a timeout, closed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from weaver_sdk.backends.http.errors import status_error
from weaver_sdk.backends.http.transport import RawResponse, Transport
from weaver_sdk.errors import (
    BackendError,
    ConfigurationError,
    ConnectionFailed,
    IdleTimeout,
    ProtocolError,
    TruncatedStream,
)

_ERROR_BODY_BYTES = 65_536
_ERROR_BODY_SECONDS = 10.0
_END_SECONDS = 0.1
"""How long to wait for the end of a body after its last event; beyond that a new connection is cheaper."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Timeouts in seconds. None of these limits the total time of a response."""

    connect: float = 10.0
    """To connect."""
    first: float = 600.0
    """From the request to the first bytes of its response: the server may have a queue."""
    idle: float = 60.0
    """Between two reads of a response."""

    def __post_init__(self) -> None:
        for name in ("connect", "first", "idle"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Timeouts({name}={getattr(self, name)}): use more than 0 seconds")


class Response:
    """The body of a response with status 200. Always close it: that aborts the request."""

    def __init__(self, raw: RawResponse, transport: Transport, path: str) -> None:
        self._raw = raw
        self.redact = transport.redact
        """Redacts the API key in a body."""
        self.where = _where(transport, path)
        """The address of the request, for messages."""

    @classmethod
    async def open(
        cls,
        transport: Transport,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """POST `body` as JSON, or GET if it is `None`, and wait for the headers of the response.

        Raises:
            APIStatusError: the server responded with an error.
            ConnectionFailed: no connection, or it broke before the headers were complete.
            IdleTimeout: no headers within `timeouts.first`.
        """
        where = _where(transport, path)
        pending = transport.get(path) if body is None else transport.post(path, body, headers or {})
        try:
            async with asyncio.timeout(timeouts.first):
                raw = await pending
        except (httpx2.RequestError, TimeoutError) as error:
            raise _open_error(error, where, timeouts.first) from error
        response = cls(raw, transport, path)
        if raw.status == 200:
            return response
        async with aclosing(response):
            error_body = transport.redact(await response._error_body())
        raise status_error(raw.status, raw.headers, error_body, where)

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; empty at its end.

        Raises:
            IdleTimeout: nothing arrived within `seconds`.
            ConnectionFailed: the connection broke.
            TruncatedStream: the server closed the connection before the body was complete.
            ProtocolError: the body cannot be decoded.
        """
        try:
            return await self._raw.read(seconds)
        except (httpx2.RequestError, TimeoutError) as error:
            raise _read_error(error, self.where, seconds) from error

    async def finish(self) -> None:
        """Read to the end of the body, if it is there at once, so that the connection can be reused."""
        with suppress(BackendError):
            while await self.read(_END_SECONDS):
                pass

    async def aclose(self) -> None:
        """Close the connection, unless the body is complete."""
        await self._raw.aclose()

    async def _error_body(self) -> bytes:
        body = b""
        with suppress(BackendError):  # the status is enough if the body cannot be read
            while len(body) < _ERROR_BODY_BYTES and (part := await self.read(_ERROR_BODY_SECONDS)):
                body += part
        return body


def _where(transport: Transport, path: str) -> str:
    return path if "://" in path else transport.base_url + path


def _open_error(error: Exception, where: str, seconds: float) -> BackendError:
    if isinstance(error, TimeoutError):
        return IdleTimeout(f"{where} did not begin to respond within {seconds:g} s")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return ConnectionFailed(
            f"no connection to {where}: {_error_text(error)}; is the server running there?"
        )
    return ConnectionFailed(f"{where} did not respond: {_error_text(error)}")


def _read_error(error: Exception, where: str, seconds: float) -> BackendError:
    if isinstance(error, TimeoutError):
        return IdleTimeout(f"{where} sent nothing for {seconds:g} s")
    if isinstance(error, httpx2.RemoteProtocolError):
        return TruncatedStream(f"{where} closed the connection within its response: {_error_text(error)}")
    if isinstance(error, httpx2.DecodingError):
        return ProtocolError(f"{where} sent a body that cannot be decoded: {_error_text(error)}")
    return ConnectionFailed(f"the connection to {where} broke: {_error_text(error)}")


def _error_text(error: Exception) -> str:
    return str(error) or type(error).__name__
