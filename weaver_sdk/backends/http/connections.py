"""HTTP/1.1 connections to one server, on asyncio protocols: for many streams at once.

A general HTTP client spends several times what this one does on each request and each chunk, and a fork sends
many requests at the same instant. It does what completions need and no more: no proxies, no redirects, no
HTTP/2. What goes wrong is told by the exceptions of httpx2, as by the clients that users bring.
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
"""Bytes of a body that may wait to be read; beyond, the server has to wait."""
_IDLE_SECONDS: Final = 30.0
"""How long a connection is kept for another request. Many servers close theirs sooner, which is noticed."""


class Connections:
    """The connections to one server; those that are free serve the next requests.

    Args:
        url: the server's address; its path plays no part.
        ssl_context: for `https`; that of httpx2 where not given, made when it is needed.
        max_idle: free connections that are kept.
        connect: seconds to wait for a connection.
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
        self._free: list[Connection] = []
        self._open: set[Connection] = set()
        self.closed = False
        """Whether `aclose` was called."""

    async def request(self, method: str, message: bytes) -> Connection:
        """Send a whole request; return the connection when the head of its answer has come.

        The caller closes it. Cancelling closes it too, at once.

        Raises:
            httpx2.TransportError: no connection, or no answer.
        """
        kept = self._take()
        if kept is not None and await kept.send(method, message):
            return kept
        connection = await self._connect()  # a kept one may have been closed by the server as we sent
        if not await connection.send(method, message):
            raise httpx2.RemoteProtocolError("the server closed the connection without an answer")
        return connection

    async def aclose(self) -> None:
        """Close all connections."""
        self.closed = True
        for connection in list(self._open):
            self._drop(connection)
        await asyncio.sleep(0)  # which is when they close

    def _take(self) -> Connection | None:
        """Return a free connection: the one used last, as it is the least likely to be stale."""
        loop = asyncio.get_running_loop()
        while self._free:
            connection = self._free.pop()
            if connection.loop is loop and loop.time() - connection.free_since < _IDLE_SECONDS:
                return connection
            self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        """Close a connection, which may be of another event loop: one of an earlier `asyncio.run`, say."""
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
        # seconds before a name's next address is tried as well; uvloop has no such race
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
            raise httpx2.ConnectError(_why(error)) from error
        made: Connection = connection
        return made

    def opened(self, connection: Connection) -> None:
        """Note that a connection is open."""
        self._open.add(connection)

    def freed(self, connection: Connection) -> None:
        """Keep a connection for another request, or close it if there are enough."""
        if len(self._free) < self._max_idle and not self.closed:
            self._free.append(connection)
        else:
            connection.abort()

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)


class Connection(asyncio.Protocol):
    """One connection: one request at a time, and one task that reads its answer."""

    def __init__(self, owner: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.free_since = 0.0
        self._owner = owner
        self._reader: ResponseReader | None = None
        self._parts: list[bytes] = []  # of the body, not yet read
        self._waiting = 0  # bytes in them
        self._paused = False
        self._error: Exception | None = None
        self._lost = False
        self._wakeup: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def head(self) -> Head:
        """The head of the answer that is being read."""
        assert self._reader is not None
        assert self._reader.head is not None
        return self._reader.head

    async def send(self, method: str, message: bytes) -> bool:
        """Send a request and wait for the head; return whether the server took it.

        It did not if it closed the connection without a byte.

        Raises:
            httpx2.TransportError: the connection broke, or what came is no HTTP.
        """
        self._reader = reader = ResponseReader(method)
        if not self._lost:
            self._transport.write(message)
        try:
            while reader.head is None:
                if self._lost and not reader.begun:
                    return False
                if self._error is not None:
                    raise self._error
                await self._wait()
        except BaseException:
            self.abort()
            raise
        return True

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; nothing at its end.

        Raises:
            TimeoutError: nothing came for so many seconds; the connection is closed.
            httpx2.TransportError: the connection broke, or what came is no HTTP.
        """
        if not self._parts:
            self._expect(seconds)
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self._reader is None or self._reader.whole:
                return b""
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._waiting = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> None:
        """Let the connection serve again if its answer is whole; else close it, which aborts the request."""
        reader, self._reader = self._reader, None
        self._stop_timer()
        if reader is not None and reader.reusable and not self._lost:
            self._parts.clear()
            self._waiting = 0
            self.free_since = self.loop.time()
            self._owner.freed(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _expect(self, seconds: float) -> None:
        """Set the time by which something has to come.

        A timer for every read costs more than the read. So there is one for the connection, which looks at
        the deadline when it fires, and is set anew only then.
        """
        self._deadline = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_at(self._deadline, self._look_at_clock)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._wakeup is None:
            return  # nobody waits; the next wait sets the timer
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
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.abort()  # an answer that nobody asked for
            return
        try:
            body = self._reader.feed(data)
        except httpx2.RemoteProtocolError as error:
            self._error = error
            self.abort()
            body = b""
        if body:
            self._parts.append(body)
            self._waiting += len(body)
            if self._waiting > _HIGH_WATER and not self._paused:
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


def _why(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files (raise the limit with `ulimit -n`, or lower max_concurrency)"
    return os.strerror(error.errno or 0) if isinstance(error, ConnectionError) else str(error)
