"""The scripted server speaks the protocol, keeps its pace, and counts."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable

import httpx2
import pytest

from weaver_sdk.testing import Behaviour, Script, ScriptedServer, fork_join_script, spawned_server
from weaver_sdk.testing.connection import ServedConnection


def echo(prompt: str) -> str | None:
    return " one two three" if prompt == "Q" else None


async def post(server: ScriptedServer, **body: object) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(server.base_url + "/completions", json={"prompt": "Q", **body})


async def test_an_answer_as_a_whole() -> None:
    async with ScriptedServer(echo) as server:
        told = (await post(server, stop=" three")).json()
        assert told["choices"][0]["text"] == " one two"
        assert told["choices"][0]["stop_reason"] == " three"
        assert told["usage"] == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}


async def test_an_answer_as_a_stream() -> None:
    async with ScriptedServer(echo) as server:
        answer = await post(server, stream=True, max_tokens=2, stream_options={"include_usage": True})
        events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    told = [json.loads(event) for event in events[:-1]]
    assert [choice["text"] for event in told for choice in event["choices"]] == [" one", " two", ""]
    assert told[2]["choices"][0]["finish_reason"] == "length"
    assert told[3]["usage"]["completion_tokens"] == 2


async def test_the_log_and_the_counts() -> None:
    async with ScriptedServer(
        echo, behave=lambda r: Behaviour(status=503) if r.body.get("bad") else None
    ) as server:
        assert (await post(server)).status_code == 200
        assert (await post(server, bad=1)).status_code == 503
        assert (await post(server, prompt="unknown")).status_code == 400
        async with httpx2.AsyncClient() as client:
            assert (await client.get(server.base_url + "/models")).json()["data"][0]["id"] == server.name
            assert (await client.get(server.origin + "/health")).status_code == 200
            assert (await client.get(server.origin + "/nothing")).status_code == 404
            counts = (await client.get(server.origin + "/scripted/counts")).json()
        assert counts == server.counts()
        assert (counts["started"], counts["finished"], counts["running"]) == (6, 6, 0)
        assert [r.body.get("bad") for r in server.completions] == [None, 1, None]
        assert server.log[0].headers["content-type"] == "application/json"
        assert server.log[0].outcome == "finished"


async def test_a_token_takes_its_time_in_a_stream_and_in_a_whole() -> None:
    async with ScriptedServer(lambda _: " word" * 20, pace=0.01) as server:
        for stream in (True, False):
            began = time.perf_counter()
            await post(server, stream=stream)
            assert time.perf_counter() - began >= 0.2


class Timers:
    """The part of an event loop that a connection uses, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, what: Callable[[], None]) -> None:
        self.due.append((when, what))

    def call_later(self, seconds: float, what: Callable[[], None]) -> None:
        self.call_at(self.now + seconds, what)

    def fire(self, late: float = 0.0) -> None:
        """Set the clock to the only timer, or so many seconds later, and let it fire."""
        [(when, what)] = self.due
        self.due.clear()
        self.now = when + late
        what()


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def asked_for(words: int, pace: float, **body: object) -> tuple[Timers, Wire]:
    """A connection that was just asked for so many words."""
    loop, wire = Timers(), Wire()
    server = ScriptedServer(lambda _: " word" * words, pace=pace)
    connection = ServedConnection(server, loop)  # type: ignore[arg-type]
    connection.connection_made(wire)
    sent = json.dumps({"prompt": "Q", **body}).encode()
    connection.data_received(
        b"POST /v1/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(sent), sent)
    )
    return loop, wire


def test_a_stream_has_one_token_at_each_beat() -> None:
    loop, wire = asked_for(3, 0.5, stream=True)
    beats = []
    while loop.due:
        loop.fire()
        beats.append((loop.now, b"".join(wire.written).count(b" word")))
    assert beats == [(100.5, 1), (101.0, 2), (101.5, 3)]


def test_a_whole_comes_when_its_last_token_would() -> None:
    loop, wire = asked_for(3, 0.5)
    assert wire.written == []
    loop.fire()
    assert (loop.now, len(wire.written)) == (101.5, 1)


def test_when_it_is_late_it_writes_all_that_is_due() -> None:
    loop, wire = asked_for(20, 0.5, stream=True)
    loop.fire(late=4.0)
    assert b"".join(wire.written).count(b" word") == 9
    loop.fire()
    assert (loop.now, b"".join(wire.written).count(b" word")) == (105.0, 10)


async def test_endless_text_ends_at_the_limit() -> None:
    async with ScriptedServer(echo, behave=[Behaviour(endless=True)]) as server:
        told = (await post(server, max_tokens=50)).json()
    assert told["usage"]["completion_tokens"] == 50
    assert told["choices"][0]["finish_reason"] == "length"


async def test_who_goes_away_is_counted() -> None:
    async with ScriptedServer(lambda _: " word" * 1000, pace=0.01) as server:
        asked = asyncio.create_task(post(server, stream=True))
        while not server.running:
            await asyncio.sleep(0.001)
        with pytest.raises(TimeoutError):
            await server.until_idle(0.01)
        asked.cancel()
        await server.until_idle()
        assert (server.aborted, server.finished) == (1, 0)


async def test_leaving_the_block_closes_every_connection() -> None:
    async with ScriptedServer(echo, behave=[Behaviour(broken_off="hung", after=1)]) as server:
        asked = asyncio.create_task(post(server, stream=True))
        while not server.running:
            await asyncio.sleep(0.001)
    with pytest.raises(httpx2.TransportError):
        await asked
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.base_url


async def test_a_server_in_a_process_of_its_own() -> None:
    script = fork_join_script(2)
    with spawned_server(script, pace=0.0) as spawned:
        async with httpx2.AsyncClient() as client:
            asked = {"prompt": script.trajectories[1].problem}
            told = (await client.post(spawned.base_url + "/completions", json=asked)).json()
        assert told["choices"][0]["text"] == script.text(script.trajectories[1].problem)
        counts = await asyncio.to_thread(spawned.counts)
        assert (counts["started"], counts["finished"], counts["running"]) == (1, 1, 0)


def test_a_process_that_cannot_serve_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="exited with code 2"), spawned_server(Script(()), pace="fast"):  # type: ignore[arg-type]
        pass


def test_it_can_be_run_by_hand() -> None:
    command = [sys.executable, "-m", "weaver_sdk.testing", "--problems", "1"]
    ran = subprocess.run(command, input="", capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0
    assert ran.stdout.startswith("http://127.0.0.1:")
    assert ran.stderr == ""
