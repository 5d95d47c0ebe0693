"""The scripted server speaks the protocol, keeps its pace, and counts."""

import asyncio
import json
import subprocess
import sys
import time

import httpx2
import pytest

from weaver_sdk.testing import Behaviour, Script, ScriptedServer, fork_join_script, spawned_server


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


async def test_it_keeps_the_pace_of_the_clock() -> None:
    async with ScriptedServer(lambda _: " word" * 20, pace=0.01) as server:
        began = time.perf_counter()
        await post(server, stream=True)
        assert 0.2 <= time.perf_counter() - began < 1
        began = time.perf_counter()
        await post(server)
        assert 0.2 <= time.perf_counter() - began < 1


async def test_when_it_is_late_it_writes_all_that_is_due() -> None:
    async with ScriptedServer(lambda _: " word" * 20, pace=0.005) as server:
        asked = asyncio.create_task(post(server, stream=True))
        while not server.running:
            await asyncio.sleep(0.001)
        time.sleep(0.12)  # noqa: ASYNC251  (the whole loop is busy)
        assert server.log[0].events < 5
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert server.log[0].events == 20
        await asked


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
        await server.until_idle(0.2)
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
    with pytest.raises(RuntimeError, match="ended with code 2"), spawned_server(Script(()), pace="fast"):  # type: ignore[arg-type]
        pass


def test_it_can_be_run_by_hand() -> None:
    command = [sys.executable, "-m", "weaver_sdk.testing", "--problems", "1"]
    ran = subprocess.run(command, input="", capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0
    assert ran.stdout.startswith("http://127.0.0.1:")
    assert ran.stderr == ""
