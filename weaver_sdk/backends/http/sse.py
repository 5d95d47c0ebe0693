"""Parses server-sent events from raw bytes as they arrive. Pure: no I/O, linear in the bytes.

Standard: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from weaver_sdk.errors import ProtocolError

Event = tuple[str, bytes]
"""The event's name ("message" by default) and its data, undecoded."""

_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A longer event is an error, so that a faulty server cannot fill the memory."""
_TOO_LARGE = f"the server sent an event of more than {MAX_EVENT_BYTES} bytes"


class SSEReader:
    """Turns bytes into events, wherever the network split them.

    An event that is cut off by the end of the stream is never reported, as the standard says.
    """

    __slots__ = ("_data", "_data_size", "_name", "_partial", "_size", "_skip_newline", "_started")

    def __init__(self) -> None:
        self._partial: list[bytes] = []  # parts of a line whose end has not arrived
        self._data: list[bytes] = []  # data lines of the current event
        self._name = b""
        self._data_size = 0  # bytes in those lines
        self._size = 0  # the same, and in the buffered parts
        self._started = False
        self._skip_newline = False  # the last bytes ended in CR: an LF that follows belongs to it

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete.

        Raises:
            ProtocolError: a single event is larger than `MAX_EVENT_BYTES`.
        """
        if (  # fast path: whole events of one line each, as in nearly every read of a completion stream
            data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and not self._size
            and not self._name
            and b"\r" not in data
        ):
            parts = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(parts):
                self._started = True
                self._skip_newline = False
                return [("message", part) for part in parts]
        return self._feed(data)

    def _feed(self, data: bytes) -> list[Event]:
        if self._skip_newline and data:
            self._skip_newline = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        self._size += len(data)
        if b"\n" not in data and b"\r" not in data:
            self._buffer(data)
            return []
        lines = data.splitlines()  # bytes are split at LF, CR and CRLF only
        self._partial.append(lines[0])
        lines[0] = b"".join(self._partial)
        self._partial = []
        last = lines.pop() if data[-1:] not in b"\r\n" else b""
        self._skip_newline = data.endswith(b"\r")
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[Event] = []
        for line in lines:
            self._line(line, events)
        self._size = self._data_size + len(last)
        if last:
            self._buffer(last)
        return events

    def _buffer(self, data: bytes) -> None:
        self._partial.append(data)
        if self._size > MAX_EVENT_BYTES:
            raise ProtocolError(_TOO_LARGE)

    def _line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data:
                name = self._name.decode("utf-8", "replace") or "message"
                events.append((name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                self._data = []
                self._data_size = 0
            self._name = b""
            return
        field, _, value = line.partition(b":")  # a comment has an empty field name
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_size += len(value)
            if self._data_size > MAX_EVENT_BYTES:
                raise ProtocolError(_TOO_LARGE)
        elif field == b"event":
            self._name = value.removeprefix(b" ")
