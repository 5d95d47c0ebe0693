"""Two vLLM replicas and a router, started for a benchmark and ended with it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

OPTIONS = "--dtype bfloat16 --enforce-eager --enable-prefix-caching --enable-prompt-tokens-details"
SCALE_OUT = "--enable-scale-out"
"""Lets `cache_aware` ask which tokens a prompt has: vLLM refuses that otherwise, and nobody is told."""
SIZES = "--max-model-len 2048 --max-num-seqs 16 --block-size 32"


@dataclass(frozen=True)
class Server:
    """Something that serves HTTP; a process of ours where one is given."""

    url: str
    process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        """Whether it still runs, as far as that is known."""
        return self.process is None or self.process.poll() is None

    def kill(self) -> None:
        """End it, and all that it started, as a crash would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    async def prompt_tokens(self) -> float:
        """Ask a vLLM for how many prompt tokens it has answered."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            page = (await http.get(f"{self.url}/metrics")).text
        return sum(map(float, re.findall(r"^vllm:prompt_tokens_total\{.*\} (\S+)", page, re.MULTILINE)))


async def replica(python: str, model: str, name: str, *, core: int, logs: Path) -> Server:
    """Start a vLLM that computes on one CPU core."""
    port = _free_port()
    command = [
        python,
        "-m",
        "vllm.entrypoints.launchers.api_server.entry",
        "--model",
        model,
        "--served-model-name",
        name,
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), *OPTIONS.split(), SCALE_OUT, *SIZES.split()]
    return await _started(
        ["taskset", "-c", str(core), *command],
        port,
        logs / f"replica-{port}.log",
        VLLM_CPU_OMP_THREADS_BIND=str(core),
        VLLM_CPU_KVCACHE_SPACE="1",
        VLLM_NO_USAGE_STATS="1",
        HF_HUB_OFFLINE="1",
    )


@asynccontextmanager
async def router(
    program: str, policy: str, replicas: Sequence[Server], options: Sequence[str], *, logs: Path
) -> AsyncIterator[Server]:
    """Start a router before replicas, and end it with the block."""
    port = _free_port()
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--policy", policy]
    command += ["--prometheus-port", str(_free_port()), "--worker-startup-check-interval", "1"]
    command += ["--worker-urls", *(replica.url for replica in replicas), *options]
    server = await _started(command, port, logs / f"router-{port}.log")
    try:
        yield server
    finally:
        server.kill()


async def _started(command: Sequence[str], port: int, log: Path, **environment: str) -> Server:
    process = _spawn(command, log, environment)
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        async with httpx2.AsyncClient(trust_env=False) as http:
            while process.poll() is None:
                try:
                    if (await http.get(f"{server.url}/health")).is_success:
                        return server
                except httpx2.TransportError:
                    await asyncio.sleep(0.5)
    except BaseException:
        server.kill()
        raise
    raise SystemExit(f"{command[0]} ended with {process.returncode}; the end of {log}:\n{_end_of(log)}")


def _spawn(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process with a group of its own, so that all that it starts can be ended with it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env=os.environ | environment
        )


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
