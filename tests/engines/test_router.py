"""A real vllm-router before two scripted replicas, where it is on the PATH. Tried with 0.1.17."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.engines.watching import answers, within
from weaver_sdk import ParallelReasoner
from weaver_sdk.testing import ScriptedServer, fork_join_script

ROUTER = shutil.which("vllm-router")
SCRIPT = fork_join_script(6)
PROBLEMS = [trajectory.problem for trajectory in SCRIPT.trajectories]

pytestmark = pytest.mark.skipif(ROUTER is None, reason="vllm-router is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def router(policy: str, replicas: list[ScriptedServer], log: Path, *options: str) -> AsyncIterator[str]:
    """Start a router before replicas; gives its base URL."""
    assert ROUTER is not None
    port = free_port()
    command = [ROUTER, "--port", str(port), "--prometheus-port", str(free_port()), "--policy", policy]
    command += ["--worker-startup-check-interval", "1", "--worker-urls", *(one.origin for one in replicas)]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, *options, stdout=output, stderr=output)
    try:
        base_url = f"http://127.0.0.1:{port}/v1"
        assert await asyncio.to_thread(within, 30, lambda: answers(base_url))
        yield base_url
    finally:
        process.kill()
        await process.wait()


async def runs_by_replica(policy: str, log: Path) -> list[set[str]]:
    """Solve some problems through a router; return the keys of the runs that came to each replica."""
    async with (
        ScriptedServer(SCRIPT) as one,
        ScriptedServer(SCRIPT) as other,
        router(policy, [one, other], log) as base_url,
        ParallelReasoner("scripted", base_url=base_url, dialect="threadweaver") as reasoner,
    ):
        results = [result async for result in reasoner.solve_many(PROBLEMS)]
        assert all(result.well_formed for result in results)
        came = [
            {request.headers["x-session-id"] for request in server.completions} for server in (one, other)
        ]
        assert came[0] | came[1] == {result.run_id for result in results}
    return came


async def test_every_run_stays_on_one_replica_and_the_replicas_share_the_runs(tmp_path: Path) -> None:
    one, other = await runs_by_replica("sticky_least_loaded", tmp_path / "log")
    assert (len(one), len(other)) == (3, 3)
    assert not one & other


async def test_a_hash_of_the_key_keeps_every_run_together(tmp_path: Path) -> None:
    one, other = await runs_by_replica("consistent_hash", tmp_path / "log")
    assert not one & other


async def test_without_a_look_at_the_key_runs_are_scattered(tmp_path: Path) -> None:
    one, other = await runs_by_replica("round_robin", tmp_path / "log")
    assert one == other
