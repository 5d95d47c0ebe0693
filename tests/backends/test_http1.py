"""The HTTP reader reads every framing, and refuses what a server must not send."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.backends.http.http1 import MAX_HEAD_BYTES, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"


def read(*pieces: bytes, method: str = "POST") -> tuple[ResponseReader, bytes]:
    reader = ResponseReader(method)
    return reader, b"".join(map(reader.feed, pieces))


@pytest.mark.parametrize(
    ("answer", "body", "reusable"),
    [
        (OK + b"Content-Length: 3\r\n\r\nabc", b"abc", True),
        (OK + b"content-length: 0\r\n\r\n", b"", True),
        (OK + b"content-length: 3, 3\r\n\r\nabc", b"abc", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde", True),
        (OK + b"transfer-encoding: Chunked\r\n\r\n3 \r\nabc\r\n0\r\ntrailer: x\r\n\r\n", b"abc", True),
        (OK + b"transfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n", b"a", False),
        (OK + b"content-length: 3\r\nconnection: close\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", b"a", False),
        (b"HTTP/1.1 204 \r\n\r\n", b"", True),
        (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na", b"a", True),
        (INTERIM + OK + b"content-length: 1\r\n\r\na", b"a", True),
        (OK + b"content-length: 1\r\n\r\nabc", b"a", False),
    ],
)
def test_framings(answer: bytes, body: bytes, reusable: bool) -> None:
    for pieces in ([answer], [bytes([b]) for b in answer]):
        reader, got = read(*pieces)
        assert reader.complete
        assert got == body
        assert reader.reusable == reusable
        reader.end()


def test_a_body_may_end_with_the_connection() -> None:
    reader, body = read(OK + b"\r\nab", b"c")
    assert (body, reader.complete) == (b"abc", False)
    reader.end()
    assert reader.complete
    assert not reader.reusable


def test_an_answer_to_head_has_no_body() -> None:
    reader, _ = read(OK + b"content-length: 3\r\n\r\n", method="HEAD")
    assert reader.complete


def test_headers_are_found_in_small_letters_and_joined() -> None:
    reader, _ = read(OK + b"X-A:  1 \r\nx-a: 2\r\ncontent-length: 0\r\n\r\n")
    assert reader.head is not None
    assert reader.head.headers["x-a"] == "1, 2"
    assert reader.head.status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK + b"name : value\r\n\r\n",
        OK + b" folded\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"a: b\x00c\r\n\r\n",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: 1_0\r\n\r\n",
        OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\n",
        OK + b"content-length: 99999999999999999999\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\n",
        CHUNKED + b"ffffffffffffffffffff\r\n",
        CHUNKED + b"1\r\nabc\r\n",
        CHUNKED + b"1" * 2000,
        CHUNKED + b"0\r\n" + b"t: x\r\n" * 20_000,
        OK + b"x: " + b"y" * (MAX_HEAD_BYTES + 1),
        OK + b"x: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n",
    ],
)
def test_hostile_answers_are_refused(answer: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        read(answer)
    with pytest.raises(httpx2.RemoteProtocolError):
        read(*(answer[i : i + 7] for i in range(0, len(answer), 7)))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        OK,
        OK + b"content-length: 3\r\n\r\nab",
        CHUNKED + b"3\r\nab",
    ],
)
def test_an_end_too_soon_is_an_error(answer: bytes) -> None:
    reader, _ = read(answer)
    assert reader.started == bool(answer)
    with pytest.raises(httpx2.RemoteProtocolError):
        reader.end()


@given(st.binary(max_size=60), st.lists(st.integers(1, 9)), st.sampled_from(["chunked", "length"]))
def test_how_the_bytes_are_cut_makes_no_difference(body: bytes, widths: list[int], framing: str) -> None:
    if framing == "length":
        answer = OK + b"content-length: %d\r\n\r\n" % len(body) + body
    else:
        chunks = [body[i : i + 7] for i in range(0, len(body), 7)]
        coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        answer = CHUNKED + coded + b"0\r\n\r\n"
    pieces = []
    for width in widths:
        pieces.append(answer[:width])
        answer = answer[width:]
    reader, got = read(*pieces, answer)
    assert got == body
    assert reader.complete
    assert reader.reusable
