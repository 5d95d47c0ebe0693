"""Server-sent events from raw bytes, as they come off the network. Pure: no I/O, linear in the bytes.

Standard: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from weaver_sdk.errors import ProtocolError

Event = tuple[str, bytes]
"""The event's name ("message" unless it says otherwise) and its data, undecoded."""

_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""An event longer than this is no event: a server gone wrong should not fill the memory."""
_TOO_LARGE = f"the server sent an event of more than {MAX_EVENT_BYTES} bytes"


class SSEReader:
    """Turns the pieces that the network brings into events; how the bytes were cut makes no difference.

    An event that the end of the stream cuts off is never reported, as the standard says.
    """

    __slots__ = ("_begun", "_data", "_held", "_name", "_read", "_size", "_skip_newline")

    def __init__(self) -> None:
        self._held: list[bytes] = []  # pieces of a line whose end has not come
        self._data: list[bytes] = []  # data lines of the event that is being read
        self._name = b""
        self._read = 0  # bytes in those lines
        self._size = 0  # and in those pieces too
        self._begun = False
        self._skip_newline = False  # a piece ended in CR: an LF that comes next belongs to it

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete.

        Raises:
            ProtocolError: a single event is larger than `MAX_EVENT_BYTES`.
        """
        if (  # whole events of one line each, as nearly every piece of a completion stream is
            piece.startswith(b"data: ")
            and piece.endswith(b"\n\n")
            and not self._size
            and not self._name
            and b"\r" not in piece
        ):
            parts = piece[6:-2].split(b"\n\ndata: ")
            if piece.count(b"\n") == 2 * len(parts):
                self._begun = True
                self._skip_newline = False
                return [("message", part) for part in parts]
        return self._feed(piece)

    def _feed(self, piece: bytes) -> list[Event]:
        if self._skip_newline and piece:
            self._skip_newline = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return []
        self._size += len(piece)
        if b"\n" not in piece and b"\r" not in piece:
            self._hold(piece)
            return []
        lines = piece.splitlines()  # of bytes: at LF, CR and CRLF, and nowhere else
        self._held.append(lines[0])
        lines[0] = b"".join(self._held)
        self._held = []
        last = lines.pop() if piece[-1:] not in b"\r\n" else b""
        self._skip_newline = piece.endswith(b"\r")
        if not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[Event] = []
        for line in lines:
            self._line(line, events)
        self._size = self._read + len(last)
        if last:
            self._hold(last)
        return events

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        if self._size > MAX_EVENT_BYTES:
            raise ProtocolError(_TOO_LARGE)

    def _line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data:
                name = self._name.decode("utf-8", "replace") or "message"
                events.append((name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                self._data = []
                self._read = 0
            self._name = b""
            return
        field, _, value = line.partition(b":")  # a comment is a line whose field has no name
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._read += len(value)
            if self._read > MAX_EVENT_BYTES:
                raise ProtocolError(_TOO_LARGE)
        elif field == b"event":
            self._name = value.removeprefix(b" ")
