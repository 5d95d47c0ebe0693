"""Whoever stops reading aborts the request, at any moment: the server sees it go."""

import asyncio
import random

import httpx2
import openai
import pytest

from tests.backends.collecting import QUESTION, asking, collect, server
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.testing import Behaviour, ScriptedServer


def clients(asked: ScriptedServer, http: httpx2.AsyncClient) -> list[CompletionsBackend]:
    sdk = openai.AsyncOpenAI(base_url=asked.base_url, api_key="k", http_client=http)
    return [
        CompletionsBackend("scripted", asked.base_url),
        CompletionsBackend("scripted", asked.base_url, http_client=http),
        CompletionsBackend("scripted", client=sdk),
    ]


@pytest.mark.parametrize("way", [0, 1, 2])
async def test_closing_the_stream_in_its_middle(way: int) -> None:
    async with (
        ScriptedServer(lambda _: " word" * 1000, pace=0.001) as asked,
        httpx2.AsyncClient() as http,
    ):
        backend = clients(asked, http)[way]
        stream = backend.stream(asking())
        async for chunk in stream:
            if chunk.text:
                break
        assert asked.running == 1
        await stream.aclose()
        await asked.until_idle()
        assert (asked.aborted, asked.finished) == (1, 0)
        await backend.aclose()


@pytest.mark.parametrize("way", [0, 1, 2])
async def test_cancelling_before_the_head_has_come(way: int) -> None:
    async with server(Behaviour(delay=60)) as asked, httpx2.AsyncClient() as http:
        backend = clients(asked, http)[way]
        reading = asyncio.create_task(collect(backend))
        while not asked.running:
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asked.until_idle()
        assert asked.aborted == 1
        await backend.aclose()


async def test_cancelling_in_silence() -> None:
    async with server(Behaviour(broken_off="hung", after=2)) as asked:
        backend = CompletionsBackend("scripted", asked.base_url)
        reading = asyncio.create_task(collect(backend))
        while not asked.completions or asked.completions[0].events < 2:
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asked.until_idle()
        await backend.aclose()


async def test_fifty_random_moments() -> None:
    dice = random.Random(7)
    async with ScriptedServer(lambda _: " word" * 30, pace=0.001) as asked:
        backend = CompletionsBackend("scripted", asked.base_url)
        for _ in range(50):
            reading = [asyncio.create_task(collect(backend)) for _ in range(3)]
            await asyncio.sleep(dice.random() * 0.02)
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await asked.until_idle()
        assert (await collect(backend)).error is None
        await backend.aclose()


async def test_closing_the_backend_ends_what_runs() -> None:
    async with ScriptedServer(lambda prompt: prompt, pace=0.001) as asked:
        asked.model = lambda _: " word" * 1000
        backend = CompletionsBackend("scripted", asked.base_url, retries=0)
        stream = backend.stream(asking())
        assert (await anext(stream)).sent
        assert (await anext(stream)).text
        await backend.aclose()
        await asked.until_idle()
        await stream.aclose()
        assert QUESTION in asked.completions[0].body["prompt"]
