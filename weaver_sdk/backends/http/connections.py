"""HTTP/1.1 connections to one server, on asyncio protocols: for many concurrent streams.

A general HTTP client takes several times as long for each request and each chunk, and a fork sends many
requests at the same instant. This one does only what completions need: no proxies, no redirects, no HTTP/2.
Errors are the exceptions of httpx2, as with the clients that users pass.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from functools import partial
from typing import Any, Final, cast

import httpx2

from weaver_sdk.backends.http.http1 import Head, ResponseReader

_HIGH_WATER: Final = 1 << 20
"""Bytes of a body to buffer; beyond that, reading from the socket pauses."""
_IDLE_SECONDS: Final = 30.0
"""How long to keep an idle connection. Many servers close theirs sooner, which is detected."""


class Connections:
    """The connection pool of one server.

    Args:
        url: the server's address; its path is ignored.
        ssl_context: for `https`; if not given, that of httpx2, created on demand.
        max_idle: idle connections to keep.
        connect: connect timeout, in seconds.
    """

    def __init__(
        self,
        url: httpx2.URL,
        *,
        ssl_context: ssl.SSLContext | None = None,
        max_idle: int = 64,
        connect: float = 10.0,
    ) -> None:
        self._host = url.host
        self._is_number = ":" in url.host or url.host.replace(".", "").isdigit()
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._secure = url.scheme == "https"
        self._ssl_context = ssl_context
        self._max_idle = max_idle
        self._connect_seconds = connect
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self.closed = False
        """Whether `aclose` was called."""

    async def request(self, method: str, message: bytes) -> Connection:
        """Send a request; return the connection once the head of the response has arrived.

        The caller releases it. Cancelling closes it at once.

        Raises:
            httpx2.TransportError: no connection, or no response.
        """
        idle = self._take()
        if idle is not None and await idle.send(method, message):
            return idle
        connection = await self._connect()  # the server may have closed an idle one while we sent
        if not await connection.send(method, message):
            raise httpx2.RemoteProtocolError("the server closed the connection without a response")
        return connection

    async def aclose(self) -> None:
        """Close all connections."""
        self.closed = True
        for connection in list(self._open):
            self._drop(connection)
        await asyncio.sleep(0)  # the transports close in the next iteration of the loop

    def _take(self) -> Connection | None:
        """Return an idle connection: the one used last, as it is the least likely to be stale."""
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.loop is loop and loop.time() - connection.free_since < _IDLE_SECONDS:
                return connection
            self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        """Close a connection, which may belong to another event loop, as of an earlier `asyncio.run`."""
        if connection.loop is asyncio.get_running_loop():
            connection.abort()
        elif connection.loop.is_closed():
            self.lost(connection)
        else:
            connection.loop.call_soon_threadsafe(connection.abort)

    async def _connect(self) -> Connection:
        context = None
        if self._secure:
            context = self._ssl_context = self._ssl_context or httpx2.create_ssl_context()
        loop = asyncio.get_running_loop()
        # happy eyeballs: seconds before the next address of a name is tried too; uvloop has none
        races = not self._is_number and isinstance(loop, asyncio.BaseEventLoop)
        connect: Any = loop.create_connection
        if races:
            connect = partial(connect, happy_eyeballs_delay=0.25)
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await connect(
                    lambda: Connection(self, loop),
                    self._host,
                    self._port,
                    ssl=context,
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection within {self._connect_seconds:g} s") from error
        except OSError as error:
            raise httpx2.ConnectError(_error_text(error)) from error
        opened: Connection = connection
        return opened

    def opened(self, connection: Connection) -> None:
        """Note that a connection is open."""
        self._open.add(connection)

    def freed(self, connection: Connection) -> None:
        """Keep an idle connection for another request, or close it if there are enough."""
        if len(self._idle) < self._max_idle and not self.closed:
            self._idle.append(connection)
        else:
            connection.abort()

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class Connection(asyncio.Protocol):
    """One connection: one request at a time, and one task that reads its response."""

    def __init__(self, owner: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.free_since = 0.0
        self._owner = owner
        self._reader: ResponseReader | None = None
        self._body: list[bytes] = []  # received, not yet read
        self._buffered = 0  # bytes in them
        self._paused = False
        self._error: Exception | None = None
        self._lost = False
        self._wakeup: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def head(self) -> Head:
        """The head of the current response."""
        assert self._reader is not None
        assert self._reader.head is not None
        return self._reader.head

    async def send(self, method: str, message: bytes) -> bool:
        """Send a request and wait for the head; return whether the server accepted the request.

        It did not if it closed the connection without sending a byte.

        Raises:
            httpx2.TransportError: the connection broke, or the data is not HTTP.
        """
        self._reader = reader = ResponseReader(method)
        if not self._lost:
            self._transport.write(message)
        try:
            while reader.head is None:
                if self._lost and not reader.started:
                    return False
                if self._error is not None:
                    raise self._error
                await self._wait()
        except BaseException:
            self.abort()
            raise
        return True

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; empty at its end.

        Raises:
            TimeoutError: nothing arrived within `seconds`; the connection is closed.
            httpx2.TransportError: the connection broke, or the data is not HTTP.
        """
        if not self._body:
            self._set_deadline(seconds)
        while not self._body:
            if self._error is not None:
                raise self._error
            if self._reader is None or self._reader.complete:
                return b""
            await self._wait()
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> None:
        """Return the connection to the pool if its response is complete; else abort the request."""
        reader, self._reader = self._reader, None
        self._stop_timer()
        if reader is not None and reader.reusable and not self._lost:
            self._body.clear()
            self._buffered = 0
            self.free_since = self.loop.time()
            self._owner.freed(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _set_deadline(self, seconds: float) -> None:
        """Set the deadline of the next read.

        A timer for every read would take longer than the read. So there is one per connection: it checks the
        deadline when it fires, and is rescheduled only then.
        """
        self._deadline = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_at(self._deadline, self._check_deadline)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_deadline(self) -> None:
        self._timer = None
        if self._wakeup is None:
            return  # no read is waiting; the next one sets the timer
        if self.loop.time() < self._deadline:
            self._set_timer()
        else:
            self._error = TimeoutError()
            self.abort()
            self._wake()

    async def _wait(self) -> None:
        self._wakeup = self.loop.create_future()
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.abort()  # unexpected data: there was no request
            return
        try:
            body = self._reader.feed(data)
        except httpx2.RemoteProtocolError as error:
            self._error = error
            self.abort()
            body = b""
        if body:
            self._body.append(body)
            self._buffered += len(body)
            if self._buffered > _HIGH_WATER and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._owner.lost(self)
        if self._reader is not None and self._error is None:
            try:
                self._reader.end()
            except httpx2.RemoteProtocolError as error:
                self._error = error if exc is None else httpx2.ReadError(str(exc) or type(exc).__name__)
        self._wake()


def _error_text(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files (raise the limit with `ulimit -n`, or lower max_concurrency)"
    return os.strerror(error.errno or 0) if isinstance(error, ConnectionError) else str(error)
