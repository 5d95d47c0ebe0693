"""One connection to a scripted server: reads requests, and writes each response at its pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, Protocol

from weaver_sdk.testing.behaviour import Behaviour


@dataclass
class Received:
    """One request as it arrived, and how it ended."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: dict[str, Any]
    """The JSON body; empty if there was none."""
    at: float
    """When it had arrived in full, in seconds of the event loop's clock."""
    outcome: Literal["running", "finished", "aborted"] = "running"
    """`aborted`: the client closed the connection before the response was complete."""
    ended: float | None = None
    """When its response ended, by the same clock."""
    events: int = field(default=0, repr=False)
    """Tokens sent so far."""


class Owner(Protocol):
    """What answers the requests of a connection."""

    def opened(self, connection: ServedConnection) -> None:
        """Called when a client has connected."""
        ...

    def lost(self, connection: ServedConnection) -> None:
        """Called when the connection is closed."""
        ...

    def asked(self, received: Received, connection: ServedConnection) -> None:
        """Called with each request; responds through the connection's methods."""
        ...

    def ended(self) -> None:
        """Called when a request has been answered, or its client has gone."""
        ...


class ServedConnection(asyncio.Protocol):
    """One client's connection: reads requests one after the other, and writes responses at their pace."""

    def __init__(self, server: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._unread = b""
        self._timer: asyncio.Handle | None = None
        self._received: Received | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.lost(self)
        if self._timer is not None:
            self._timer.cancel()
        self._end("aborted")

    def abort(self) -> None:
        """Close the connection at once, sending nothing more."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if self._received is not None:
            return
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._unread = rest[length:]
        body = json.loads(rest[:length]) if length else {}
        self._received = Received(method, path, headers, body, self._loop.time())
        self._server.asked(self._received, self)

    def _end(self, outcome: Literal["finished", "aborted"]) -> None:
        if self._received is not None:
            self._received.outcome = outcome
            self._received.ended = self._loop.time()
            self._received = None
            self._server.ended()

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after this many seconds, unless the client disconnects first."""
        self._timer = self._loop.call_later(seconds, callback)

    def respond(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, logged: bool = True
    ) -> None:
        """Respond with a whole body."""
        sent = {"content-type": "application/json", "content-length": str(len(body))} | dict(headers or {})
        self._transport.write(_head(status, sent) + body)
        if logged:
            self._end("finished")
        else:
            self._received = None

    def stream(self, event: Callable[[int], bytes], length: int, pace: float, how: Behaviour) -> None:
        """Respond with a stream of `length` events, one every `pace` seconds, each rendered when due."""
        headers = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self._transport.write(_head(200, headers | dict(how.headers)))
        assert self._received is not None
        self._event, self._length, self._begun = event, length, self._received.at + how.delay
        self._pace, self._how = pace, how
        self._write_due()

    def _write_due(self) -> None:
        assert self._received is not None
        begun, pace = self._begun, self._pace
        last, written = self._length, self._received.events
        due = last if pace <= 0 else min(last, int((self._loop.time() - begun) / pace + 1e-6))
        data = b"".join([self._event(n) for n in range(written + 1, due + 1)])
        self._received.events = due
        if self._how.split is None:
            self._write_chunk(data)
            self._go_on()
        else:
            self._dribble(data)

    def _go_on(self) -> None:
        assert self._received is not None
        if self._received.events == self._length:
            self._finish()
        else:
            due = self._begun + (self._received.events + 1) * self._pace
            self._timer = self._loop.call_at(due, self._write_due)

    def _dribble(self, data: bytes) -> None:
        width = self._how.split or 1
        self._write_chunk(data[:width])
        if len(data) > width:
            self._timer = self._loop.call_soon(self._dribble, data[width:])
        else:
            self._go_on()

    def _write_chunk(self, data: bytes) -> None:
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _finish(self) -> None:
        self._timer = None
        if self._how.broken_off == "hung":
            return
        if self._how.broken_off == "dropped":
            self._end("finished")
            self._transport.close()
            return
        self._transport.write(b"0\r\n\r\n")
        self._end("finished")


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1")
