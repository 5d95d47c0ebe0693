"""Requests that begin alike say so: a router can keep them on the replica that holds their beginning."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

from weaver_sdk import ParallelReasoner
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer, fork_join_script

SCRIPT = fork_join_script(3, thread_tokens=(20, 40, 200))
PROBLEMS = [trajectory.problem for trajectory in SCRIPT.trajectories]


def keys(received: list[Received]) -> list[str]:
    """The keys of requests, in order; each request says its own in every header that routers read."""
    for request in received:
        assert request.headers["x-session-id"] == request.headers["x-smg-routing-key"]
    return [request.headers["x-session-id"] for request in received]


def reasoner(server: ScriptedServer, **more: object) -> ParallelReasoner:
    return ParallelReasoner(base_url=server.base_url, dialect="threadweaver", **more)  # type: ignore[arg-type]


def breaks_once(word: str) -> Callable[[Received], Behaviour]:
    """Drop the connection of the first request whose prompt ends so, in the middle of its text."""
    broken: list[Received] = []

    def behave(received: Received) -> Behaviour:
        if not broken and received.body["prompt"].endswith(word):
            broken.append(received)
            return Behaviour(broken_off="dropped", after=5)
        return Behaviour()

    return behave


async def test_every_request_of_a_run_carries_one_key() -> None:
    async with ScriptedServer(SCRIPT, pace=0.001, behave=breaks_once("\n3:")) as server:
        async with reasoner(server, warm_joins=True) as solver:
            result = await solver.solve(PROBLEMS[0])
        asked = server.completions
    assert result.telemetry.retries == 1
    assert result.telemetry.warm_requests >= 1
    assert len(asked) == 1 + 3 + 1 + result.telemetry.retries + result.telemetry.warm_requests
    assert len(set(keys(asked))) == 1


async def test_the_key_of_a_run_is_its_id() -> None:
    async with ScriptedServer(SCRIPT) as server, reasoner(server) as solver:
        result = await solver.solve(PROBLEMS[0])
        assert set(keys(server.completions)) == {result.run_id}


async def test_two_runs_have_two_keys() -> None:
    async with ScriptedServer(SCRIPT) as server, reasoner(server) as solver:
        results = [result async for result in solver.solve_many(PROBLEMS)]
        assert set(keys(server.completions)) == {result.run_id for result in results}
        assert len(set(keys(server.completions))) == len(PROBLEMS)


async def test_a_users_own_key_keeps_runs_together() -> None:
    async with ScriptedServer(SCRIPT) as server, reasoner(server) as solver:
        first = await solver.solve(PROBLEMS[0], routing_key="manual/ü 7")
        async with solver.stream(PROBLEMS[1], routing_key="manual/ü 7") as run:
            async for _ in run:
                pass
        assert set(keys(server.completions)) == {"manual/%C3%BC%207"}
        assert first.run_id != run.result.run_id


async def test_a_users_own_key_without_a_loop() -> None:
    async with ScriptedServer(SCRIPT) as server:
        await asyncio.to_thread(reasoner(server).solve_sync, PROBLEMS[0], routing_key="mine")
        assert set(keys(server.completions)) == {"mine"}


async def test_a_planned_run_carries_one_key_too() -> None:
    async with ScriptedServer(lambda prompt: "Two.", chat=Chat()) as server:
        async with ParallelReasoner(base_url=server.base_url, api="chat", strategy="planned") as solver:
            result = await solver.solve("How many?")
        assert len(server.completions) >= 1
        assert set(keys(server.completions)) == {result.run_id}


async def test_the_turns_of_a_conversation_share_a_key_and_a_new_one_has_its_own(tmp_path: Path) -> None:
    home = {"WEAVER_HOME": str(tmp_path / "home"), "WEAVER_CONFIG": str(tmp_path / "config.toml")}
    said = [PROBLEMS[0], "/retry", "/clear", PROBLEMS[1], ""]
    async with ScriptedServer(SCRIPT) as server:
        command = f"from weaver_sdk.cli.app import app; app(['chat', '--base-url', {server.base_url!r}])"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=os.environ | home
        )
        written, complained = await process.communicate("\n".join(said).encode())
        assert process.returncode == 0, (written + complained).decode()
        told = keys(server.completions)
    runs = [told[n : n + 5] for n in range(0, len(told), 5)]
    assert len(runs) == 3
    first, again, new = (set(run) for run in runs)
    assert first == again
    assert len(first) == len(new) == 1
    assert first != new
