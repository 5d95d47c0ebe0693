"""What the client itself costs: CPU for a streamed chunk, CPU for a request, and a wide fork at one instant.

    python benchmarks/client_cost.py [--streams 1 32 192] [--tokens 200] [--rounds 3]

A scripted server in a process of its own writes a token every 5 ms to each stream. The clients take turns in
one run, so that their ratios mean something on a busy machine: a bare asyncio protocol (the floor), our
backend, our backend over a user's `httpx2.AsyncClient` and `AsyncOpenAI`, and the openai SDK's own iteration.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx2
import openai

from weaver_sdk.backends.base import CompletionRequest, Prompt
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.testing import Script, ScriptedTrajectory, fork_join_script, spawned_server

PACE = 0.005
QUESTION = "Say many words."

Client = Callable[[str, int], Awaitable[int]]
"""Streams so many tokens behind a prompt, and returns how many chunks came."""


class Floor(asyncio.Protocol):
    """A request in bytes, and an answer of which only the JSON is read: no client can cost less."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.done: asyncio.Future[int] | None = None

    def ask(self, prompt: str, tokens: int) -> asyncio.Future[int]:
        self.chunks, self.done = 0, asyncio.get_running_loop().create_future()
        told = {
            "prompt": prompt,
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body = json.dumps(told).encode()
        head = b"POST /v1/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)
        return self.done

    def data_received(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            if line.startswith(b"data: {"):
                self.chunks += bool(json.loads(line[6:])["choices"])
        if data.endswith(b"0\r\n\r\n") and self.done is not None:
            self.done.set_result(self.chunks)


async def floor_client(base_url: str) -> Client:
    """Return the floor, with a connection kept for each stream."""
    free: list[Floor] = []
    url = httpx2.URL(base_url)

    async def ask(prompt: str, tokens: int) -> int:
        if free:
            connection = free.pop()
        else:
            _, connection = await asyncio.get_running_loop().create_connection(
                Floor, url.host, url.port or 80
            )
        chunks = await connection.ask(prompt, tokens)
        free.append(connection)
        return chunks

    return ask


def backend_client(backend: CompletionsBackend) -> Client:
    """Return one of our backends."""

    async def ask(prompt: str, tokens: int) -> int:
        request = CompletionRequest(prompt=Prompt(text=prompt), max_tokens=tokens)
        return sum([bool(chunk.text) async for chunk in backend.stream(request)])

    return ask


def sdk_client(sdk: openai.AsyncOpenAI) -> Client:
    """Return the openai SDK, iterated as its documentation says."""

    async def ask(prompt: str, tokens: int) -> int:
        stream = await sdk.completions.create(
            model="scripted",
            prompt=prompt,
            max_tokens=tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        return sum([bool(chunk.choices and chunk.choices[0].text) async for chunk in stream])

    return ask


async def cost(ask: Client, streams: int, tokens: int) -> tuple[float, float]:
    """Return CPU microseconds for each chunk of so many streams at once, and the wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    counted = await asyncio.gather(*(ask(QUESTION, tokens) for _ in range(streams)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / sum(counted) * 1e6, wall


async def compare(streams: list[int], tokens: int, rounds: int) -> None:
    """Print a table of all clients."""
    script = Script((ScriptedTrajectory(QUESTION, ("<think>" + " word" * tokens,)),))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=1024)
    with spawned_server(script, pace=PACE) as server:
        async with (
            httpx2.AsyncClient(limits=limits) as http,
            openai.AsyncOpenAI(base_url=server.base_url, api_key="k", http_client=http) as sdk,
        ):
            own = CompletionsBackend("scripted", server.base_url, max_concurrency=1024)
            clients: dict[str, Client] = {
                "floor": await floor_client(server.base_url),
                "weaver": backend_client(own),
                "weaver over httpx2": backend_client(
                    CompletionsBackend("scripted", server.base_url, http_client=http)
                ),
                "weaver over openai": backend_client(CompletionsBackend("scripted", client=sdk)),
                "openai": sdk_client(sdk),
            }
            print("CPU µs a chunk".ljust(24), *(f"{n:>12} streams" for n in streams), "   µs a request")
            for name, ask in clients.items():
                row = []
                for n in streams:
                    await cost(ask, n, 2)  # connections are opened here
                    row.append(statistics.median([(await cost(ask, n, tokens))[0] for _ in range(rounds)]))
                cycles = [await cycle(ask) for _ in range(rounds)]
                figures = (f"{figure:>20.1f}" for figure in row)
                print(name.ljust(24), *figures, f"{statistics.median(cycles):>14.0f}", flush=True)
            await own.aclose()


async def cycle(ask: Client, times: int = 60) -> float:
    """Return the CPU microseconds of a whole request for one token, in turn."""
    cpu = time.process_time()
    for _ in range(times):
        await ask(QUESTION, 1)
    return (time.process_time() - cpu) / times * 1e6


async def solve(backend: CompletionsBackend, problem: str, threads: int) -> str:
    """Play one fork and join as the runtime does, with nothing around it."""

    async def write(text: str, *stop: str) -> str:
        request = CompletionRequest(prompt=Prompt(text=text), stop=stop)
        return "".join([chunk.text async for chunk in backend.stream(request)])

    text = problem + "\n"
    text += await write(text, "</Outlines>") + "</Outlines>"
    seeds = [f"<Thread>\n{n}:" for n in range(1, threads + 1)]
    bodies = await asyncio.gather(*(write(f"{text}\n{seed}", "</Thread>") for seed in seeds))
    text += "\n" + "".join(f"{s}{b}</Thread>" for s, b in zip(seeds, bodies, strict=True)) + "\n"
    return text + await write(text)


async def fork(problems: int, rounds: int) -> None:
    """Print how much longer many problems at once take than one."""
    script = fork_join_script(problems)
    with spawned_server(script, pace=PACE) as server:
        backend = CompletionsBackend("scripted", server.base_url, max_concurrency=3 * problems)

        async def run(n: int) -> float:
            began = time.perf_counter()
            solved = await asyncio.gather(*(solve(backend, t.problem, 3) for t in script.trajectories[:n]))
            took = time.perf_counter() - began
            assert all(text.endswith(f"\\boxed{{{i}}}") for i, text in enumerate(solved))
            return took

        await run(1)
        one = min([await run(1) for _ in range(rounds)])
        cold = await run(problems)
        warm = min([await run(problems) for _ in range(rounds)])
        await backend.aclose()
    print(f"\none problem (3 threads, {PACE * 1000:g} ms a token): {one:.3f} s")
    print(
        f"{problems} at once: {cold:.3f} s = {cold / one:.2f} of one; again, with connections: {warm:.3f} s"
    )
    print(f"= {warm / one:.2f} of one")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 32, 192])
    parser.add_argument("--tokens", type=int, default=200, help="tokens of each stream")
    parser.add_argument(
        "--rounds", type=int, default=3, help="the median (best, for the fork) of so many counts"
    )
    parser.add_argument("--problems", type=int, default=64)
    asked = parser.parse_args()
    asyncio.run(compare(asked.streams, asked.tokens, asked.rounds))
    asyncio.run(fork(asked.problems, asked.rounds))


if __name__ == "__main__":
    main()
