"""The SSE reader keeps the standard, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import grows_linearly
from weaver_sdk.backends.http import sse
from weaver_sdk.backends.http.sse import Event, SSEReader
from weaver_sdk.errors import ProtocolError


def read(*pieces: bytes) -> list[Event]:
    reader = SSEReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", b"a")]),
        (b"data:a\n\n", [("message", b"a")]),
        (b"data:  a\n\n", [("message", b" a")]),
        (b"data: a\n\ndata: b\n\n", [("message", b"a"), ("message", b"b")]),
        (b"data: a\ndata: b\n\n", [("message", b"a\nb")]),
        (b"data: a\ndata\n\n", [("message", b"a\n")]),
        (b"data: a\r\n\r\n", [("message", b"a")]),
        (b"data: a\r\r", [("message", b"a")]),
        (b": ping\n\n: ping\n\ndata: a\n\n", [("message", b"a")]),
        (b"retry: 3000\nid: 7\ndata: a\n\n", [("message", b"a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [("error", b"a"), ("message", b"b")]),
        (b"event: lonely\n\ndata: b\n\n", [("message", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")]),
        ("data: é\n\n".encode(), [("message", "é".encode())]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
        (b"data\n\n", [("message", b"")]),
        (b"unknown: x\ndata: a\n\n", [("message", b"a")]),
        (b"data: a\n\n\n\ndata: b\n\n", [("message", b"a"), ("message", b"b")]),
        (b"data: \x0b\x0c\x1c\x85\n\n", [("message", b"\x0b\x0c\x1c\x85")]),
    ],
)
def test_the_standard(stream: bytes, events: list[Event]) -> None:
    assert read(stream) == events
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == events


def test_a_newline_split_between_its_two_characters_is_one() -> None:
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [("message", b"a\nb")]
    assert read(b"data: a\r\n\r", b"", b"\ndata: b\n\n") == [("message", b"a"), ("message", b"b")]


LINES = st.sampled_from(
    [b"data: x", b"data:y", b"data", b": c", b"event: error", b"id: 1", b"", b"", "data: héß".encode()]
)


@given(
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=20),
    st.lists(st.integers(1, 12)),
    st.booleans(),
)
def test_how_the_bytes_are_cut_makes_no_difference(
    lines: list[tuple[bytes, bytes]], widths: list[int], marked: bool
) -> None:
    stream = (b"\xef\xbb\xbf" if marked else b"") + b"".join(line + end for line, end in lines)
    pieces, rest = [], stream
    for width in widths:
        pieces.append(rest[:width])
        rest = rest[width:]
    assert read(*pieces, rest) == read(stream) == read(*(bytes([b]) for b in stream))


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    assert read(*pieces) == read(b"".join(pieces))


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(ProtocolError):
        read(*[b"x" * 100] * 20)
    with pytest.raises(ProtocolError):
        read(*[b"data: xxxxxxxxxx\n"] * 200)


@pytest.mark.parametrize("piece", [b"x", b"data: y\n"])
def test_an_event_in_many_pieces_takes_linear_time(piece: bytes) -> None:
    def work(pieces: int) -> None:
        reader = SSEReader()
        for _ in range(pieces):
            reader.feed(piece)

    assert grows_linearly(int, work, start=100_000)
