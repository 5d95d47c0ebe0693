"""Our own connections: kept and used again, closed at once, and safe against servers that do not behave."""

import asyncio
import errno
import gc
import socket
import ssl
import struct
import subprocess
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.backends.collecting import WORDS, collect, policy, server
from weaver_sdk.backends.base import CompletionRequest, Prompt
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http import connections
from weaver_sdk.backends.http.connections import Connections
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.errors import BackendError, ConnectionFailed
from weaver_sdk.testing import Behaviour, fork_join_script, spawned_server

ASK = b"POST /v1/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[httpx2.URL]:
    """A server that writes whatever bytes it likes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    try:
        yield httpx2.URL(f"{scheme}://127.0.0.1:{running.sockets[0].getsockname()[1]}/v1")
    finally:
        running.close()


def says(*pieces: bytes, then_closes: bool = True) -> Handler:
    """Answer every request with these bytes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_closes:
                return

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await handler(reader, writer)

    return quiet


async def body_of(pool: Connections, message: bytes = ASK) -> bytes:
    connection = await pool.request("POST", message)
    body = b""
    try:
        while piece := await connection.read(5):
            body += piece
    finally:
        connection.release()
    return body


async def test_one_connection_serves_requests_in_turn() -> None:
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url)
        for _ in range(5):
            assert (await collect(backend)).text == " " + WORDS
        assert asked.connections == 1
        await asyncio.gather(*(collect(backend) for _ in range(3)))
        assert asked.connections == 3
        await backend.aclose()


async def test_no_more_are_kept_than_asked_for() -> None:
    async with server() as asked:
        pool = Connections(httpx2.URL(asked.base_url), max_idle=1)
        for _ in range(2):
            await asyncio.gather(*(body_of(pool) for _ in range(3)))
        assert asked.connections == 5
        await pool.aclose()


async def test_no_more_are_opened_than_requests_run_at_once() -> None:
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url, max_concurrency=2)
        got = await asyncio.gather(*(collect(backend) for _ in range(8)))
        assert asked.connections == 2
        assert [one.text for one in got] == [" " + WORDS] * 8
        await backend.aclose()


async def test_a_connection_that_the_server_closed_is_not_used() -> None:
    async with raw_server(says(FINE)) as url:
        pool = Connections(url)
        for _ in range(3):
            assert await body_of(pool) == b"ok"
            await asyncio.sleep(0.01)
        await pool.aclose()


async def test_one_that_it_closes_as_we_send_is_replaced() -> None:
    served = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FINE)
        served.append(1)
        await reader.readuntil(b"\r\n\r\n")  # the second request on a connection gets no answer

    async with raw_server(once) as url:
        pool = Connections(url)
        assert [await body_of(pool) for _ in range(3)] == [b"ok"] * 3
        assert len(served) == 3
        await pool.aclose()


async def test_one_that_was_free_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_IDLE_SECONDS", 0.0)
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url)
        await collect(backend)
        await collect(backend)
        assert asked.connections == 2
        await backend.aclose()


def test_connections_of_another_event_loop_are_not_used() -> None:
    """As when `asyncio.run` is called again and again with the same backend."""
    script = fork_join_script()
    request = CompletionRequest(prompt=Prompt(text=script.trajectories[0].problem), max_tokens=1)
    with spawned_server(script, pace=0) as asked:
        backend = CompletionsBackend("m", asked.base_url, retries=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # each loop is closed under its connections
            for _ in range(3):
                assert asyncio.run(collect(backend, request)).error is None
            asyncio.run(backend.aclose())
            del backend
            gc.collect()
        assert asked.counts()["finished"] == 3


async def test_closing_reaches_connections_of_another_event_loop() -> None:
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url)
        await collect(backend)
        await asyncio.to_thread(asyncio.run, backend.aclose())
        await asyncio.sleep(0.01)
        assert asked._open == set()


async def test_bytes_that_nobody_asked_for_close_a_connection() -> None:
    async with raw_server(says(FINE, b"HTTP/1.1 200 OK\r\n", then_closes=False)) as url:
        pool = Connections(url)
        assert await body_of(pool) == b"ok"
        await asyncio.sleep(0.01)
        assert pool._idle == []
        assert await body_of(pool) == b"ok"
        await pool.aclose()


async def test_a_reader_who_is_slow_makes_the_server_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HIGH_WATER", 1000)
    size = 20_000_000
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    async with raw_server(pour) as url:
        pool = Connections(url)
        connection = await pool.request("POST", ASK)
        await asyncio.sleep(0.1)
        assert sent < size
        assert connection._buffered < 1_000_000
        got = 0
        while piece := await connection.read(5):
            got += len(piece)
        assert got == size
        connection.release()
        await pool.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_hostile_servers(answer: bytes) -> None:
    async with raw_server(says(answer)) as url:
        backend = CompletionsBackend("m", str(url), retries=policy(0))
        got = await collect(backend)
        assert isinstance(got.error, BackendError)
        assert got.chunks == []
        await backend.aclose()


async def test_interim_answers_are_passed_over() -> None:
    async with raw_server(says(b"HTTP/1.1 102 Processing\r\n\r\n", FINE)) as url:
        pool = Connections(url)
        assert await body_of(pool) == b"ok"
        await pool.aclose()


async def test_a_reset_in_the_middle() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\ndata: ")
        await writer.drain()
        await asyncio.sleep(0.01)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with raw_server(reset) as url:
        backend = CompletionsBackend("m", str(url), retries=policy(0))
        got = await collect(backend)
        assert isinstance(got.error, ConnectionFailed)
        assert "broke" in str(got.error)
        await backend.aclose()


async def test_nobody_takes_the_call() -> None:
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for caller in (first, second):  # a listener whose queue is full says neither yes nor no
            caller.setblocking(False)
            caller.connect_ex(busy.getsockname())
        backend = CompletionsBackend(
            "m",
            f"http://127.0.0.1:{busy.getsockname()[1]}/v1",
            retries=policy(0),
            timeouts=Timeouts(connect=0.05),
        )
        got = await collect(backend)
    assert isinstance(got.error, ConnectionFailed)
    assert "within 0.05 s" in str(got.error)


async def test_no_more_files(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", full)
    got = await collect(CompletionsBackend("m", "http://127.0.0.1:9/v1", retries=policy(0)))
    assert isinstance(got.error, ConnectionFailed)
    assert "ulimit -n" in str(got.error)


async def test_a_server_by_name() -> None:
    async with server(Behaviour()) as asked:
        backend = CompletionsBackend("m", asked.base_url.replace("127.0.0.1", "localhost"))
        assert (await collect(backend)).text == " " + WORDS
        assert asked.completions[0].headers["host"].startswith("localhost:")
        await backend.aclose()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody else trusts."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=t"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate with")
    return folder


async def test_https(certificate: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    async with raw_server(says(FINE, then_closes=False), serving) as url:
        pool = Connections(url, ssl_context=trusting)
        assert [await body_of(pool), await body_of(pool)] == [b"ok", b"ok"]
        assert len(pool._idle) == 1
        await pool.aclose()
        doubting = Connections(url)
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await doubting.request("POST", ASK)
        await asyncio.sleep(0.05)
