"""Parses HTTP/1.1 responses from raw bytes (RFC 9112). Pure: no I/O, linear in the bytes, strict framing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import httpx2

MAX_HEAD_BYTES = 65_536
_MAX_SIZE_LINE = 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n\x00]*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")

Framing = Literal["head", "length", "chunk", "chunk end", "chunk size", "trailers", "close", "complete"]
"""The parser's state. The body is framed by a length, by chunks, or by the end of the connection."""


@dataclass(frozen=True)
class Head:
    """The status line and the headers of a response."""

    version: str
    """The minor version: "1" in HTTP/1.1."""
    status: int
    headers: dict[str, str]
    """Names in lower case; values of a repeated name are joined by commas."""


class ResponseReader:
    """Reads one response to one request, as the bytes arrive.

    Raises:
        httpx2.RemoteProtocolError: from `feed` and `end`, if the server violates the protocol.
    """

    __slots__ = ("_buffer", "_keep_alive", "_method", "_next", "_remaining", "_trailer_bytes", "head")

    def __init__(self, method: str = "POST") -> None:
        self.head: Head | None = None
        """The head, once it is complete."""
        self._method = method
        self._next: Framing = "head"
        self._buffer = b""  # an incomplete line, or an incomplete head
        self._remaining = 0  # bytes left in the body, or in the chunk
        self._trailer_bytes = 0
        self._keep_alive = False

    @property
    def complete(self) -> bool:
        """Whether the response is complete."""
        return self._next == "complete"

    @property
    def reusable(self) -> bool:
        """Whether the connection can serve another request."""
        return self.complete and self._keep_alive and not self._buffer

    @property
    def started(self) -> bool:
        """Whether any byte of the response has arrived."""
        return self.head is not None or bool(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the part of the body in them."""
        if self._next == "head":
            data = self._read_head(data)
        if not data:
            return b""
        match self._next:
            case "length":
                body, self._buffer = data[: self._remaining], data[self._remaining :]
                self._remaining -= len(body)
                if not self._remaining:
                    self._next = "complete"
                return body
            case "close":
                return data
            case "complete":
                self._buffer = data  # unexpected data: the connection cannot be reused
                return b""
            case _:
                return self._read_chunks(data)

    def end(self) -> None:
        """Note that the server closed the connection."""
        if self._next == "close":
            self._next = "complete"
        elif self._next == "head":
            raise httpx2.RemoteProtocolError("the server closed the connection without a response")
        elif self._next != "complete":
            raise httpx2.RemoteProtocolError("the server closed the connection before the body was complete")

    def _read_head(self, data: bytes) -> bytes:
        """Read the head, and return the bytes after it."""
        data = self._buffer + data
        while self.head is None:
            lines, found, remainder = data.partition(b"\r\n\r\n")
            if len(lines) > MAX_HEAD_BYTES:
                raise httpx2.RemoteProtocolError(f"the head of the response has over {MAX_HEAD_BYTES} bytes")
            if not found:
                self._buffer = data
                return b""
            head = _parse_head(lines)
            if head.status >= 200:
                self.head = head
                self._frame(head)
            elif head.status == 101:
                raise httpx2.RemoteProtocolError("the server switches to a protocol that was not requested")
            data = remainder  # skip an interim (1xx) response: the next head follows
        self._buffer = b""
        return data

    def _frame(self, head: Head) -> None:
        """Find out how the body is framed, by RFC 9112 §6.3."""
        headers = head.headers
        self._keep_alive = head.version == "1" and "close" not in headers.get("connection", "").lower()
        coding = headers.get("transfer-encoding", "").lower()
        lengths = {part.strip() for part in headers.get("content-length", "").split(",") if part}
        if self._method == "HEAD" or head.status in (204, 304):
            self._next = "complete"
        elif coding:
            if coding != "chunked":
                raise httpx2.RemoteProtocolError(f"unknown transfer-encoding: {coding!r}")
            self._next = "chunk size"
            self._keep_alive = self._keep_alive and not lengths  # two framings: do not reuse the connection
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.fullmatch(length):
                raise httpx2.RemoteProtocolError(f"content-length is not a single number: {length[:40]!r}")
            self._remaining = int(length)
            self._next = "length" if self._remaining else "complete"
        else:
            self._next = "close"
            self._keep_alive = False

    def _read_chunks(self, data: bytes) -> bytes:
        """Read chunks; usually the data is exactly one whole chunk."""
        body: list[bytes] = []
        data = self._buffer + data
        at, size = 0, len(data)
        while at < size and self._next != "complete":
            if self._next == "chunk":
                part = data[at : at + self._remaining]
                body.append(part)
                at += len(part)
                self._remaining -= len(part)
                if self._remaining:
                    break
                self._next = "chunk end"
            elif self._next == "chunk end":
                if size - at < 2:
                    break
                if data[at : at + 2] != b"\r\n":
                    raise httpx2.RemoteProtocolError("a chunk is longer than it says")
                at += 2
                self._next = "chunk size"
            else:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    if size - at > _MAX_SIZE_LINE:
                        raise httpx2.RemoteProtocolError("a line between chunks does not end")
                    break
                self._read_line(data[at:line_end])
                at = line_end + 2
        self._buffer = data[at:]
        return body[0] if len(body) == 1 else b"".join(body)

    def _read_line(self, line: bytes) -> None:
        if self._next == "chunk size":
            found = _CHUNK_SIZE.fullmatch(line)
            if found is None or len(line) > _MAX_SIZE_LINE:
                raise httpx2.RemoteProtocolError(f"invalid chunk size: {line[:40]!r}")
            self._remaining = int(found[1], 16)
            self._next = "chunk" if self._remaining else "trailers"
            return
        self._trailer_bytes += len(line)
        if self._trailer_bytes > MAX_HEAD_BYTES:
            raise httpx2.RemoteProtocolError("the trailers do not end")
        if not line:
            self._next = "complete"


def _parse_head(lines: bytes) -> Head:
    first, *fields = lines.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise httpx2.RemoteProtocolError(f"this is not an HTTP/1.1 server: it responded {first[:40]!r}")
    headers: dict[str, str] = {}
    for field in fields:
        found = _HEADER.fullmatch(field)
        if found is None:
            raise httpx2.RemoteProtocolError(f"the response has an invalid header: {field[:40]!r}")
        name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(status[1].decode(), int(status[2]), headers)
