"""One answer of a server: opened, read piece by piece, watched for silence, closed at once."""

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
"""How long the end of a body may follow its last event; after that a new connection costs less."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds. None of these limits how long an answer may take as a whole."""

    connect: float = 10.0
    """For a connection."""
    first: float = 600.0
    """From the request to the first piece of its answer: the server may have a queue."""
    idle: float = 60.0
    """Of silence between two pieces of an answer."""

    def __post_init__(self) -> None:
        for name in ("connect", "first", "idle"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Timeouts({name}={getattr(self, name)}): use more than 0 seconds")


class Response:
    """The body of an answer whose status is good. Close it, whatever happens: that aborts the request."""

    def __init__(self, raw: RawResponse, transport: Transport, path: str) -> None:
        self._raw = raw
        self.hide = transport.hide
        """Blots out the key in what the server told."""
        self.where = _where(transport, path)
        """The address that answers, for messages."""

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
        """Send JSON, or ask for a page where there is none to send, and wait for the head of the answer.

        Raises:
            APIStatusError: the server answered with an error.
            ConnectionFailed: no connection, or it broke before the head was whole.
            IdleTimeout: no head within `timeouts.first`.
        """
        where = _where(transport, path)
        asked = transport.get(path) if body is None else transport.post(path, body, headers or {})
        try:
            async with asyncio.timeout(timeouts.first):
                raw = await asked
        except (httpx2.RequestError, TimeoutError) as error:
            raise _no_head(error, where, timeouts.first) from error
        answer = cls(raw, transport, path)
        if raw.status == 200:
            return answer
        async with aclosing(answer):
            told = transport.hide(await answer._error_body())
        raise status_error(raw.status, raw.headers, told, where)

    async def read(self, seconds: float) -> bytes:
        """Return the next piece of the body; nothing at its end.

        Raises:
            IdleTimeout: nothing came for so many seconds.
            ConnectionFailed: the connection broke.
            TruncatedStream: the server closed the connection before the body was whole.
            ProtocolError: the body cannot be decoded.
        """
        try:
            return await self._raw.read(seconds)
        except (httpx2.RequestError, TimeoutError) as error:
            raise _no_body(error, self.where, seconds) from error

    async def finish(self) -> None:
        """Let the body end, if it does so at once, so that its connection can serve again."""
        with suppress(BackendError):
            while await self.read(_END_SECONDS):
                pass

    async def aclose(self) -> None:
        """Close the connection, unless the body has come to its end."""
        await self._raw.aclose()

    async def _error_body(self) -> bytes:
        told = b""
        with suppress(BackendError):  # the status says enough where the body cannot be read
            while len(told) < _ERROR_BODY_BYTES and (piece := await self.read(_ERROR_BODY_SECONDS)):
                told += piece
        return told


def _where(transport: Transport, path: str) -> str:
    return path if "://" in path else transport.base_url + path


def _no_head(error: Exception, where: str, seconds: float) -> BackendError:
    if isinstance(error, TimeoutError):
        return IdleTimeout(f"{where} did not begin to answer within {seconds:g} s")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return ConnectionFailed(f"no connection to {where}: {_said(error)}; is the server running there?")
    return ConnectionFailed(f"{where} did not answer: {_said(error)}")


def _no_body(error: Exception, where: str, seconds: float) -> BackendError:
    if isinstance(error, TimeoutError):
        return IdleTimeout(f"{where} sent nothing for {seconds:g} s")
    if isinstance(error, httpx2.RemoteProtocolError):
        return TruncatedStream(f"{where} closed the connection within its answer: {_said(error)}")
    if isinstance(error, httpx2.DecodingError):
        return ProtocolError(f"{where} sent what cannot be decoded: {_said(error)}")
    return ConnectionFailed(f"the connection to {where} broke: {_said(error)}")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
