"""Log-probabilities from a real llama.cpp, over each of its endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from tests.engines.completions import asked
from weaver_sdk.backends.base import Backend, Chunk, TokenLogprob
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.engines.llama import LlamaServer

WAYS = ["own", "completions", "chat"]


@asynccontextmanager
async def over(way: str, engine: LlamaServer) -> AsyncIterator[Backend]:
    backend: Backend
    if way == "own":
        backend = engine.backend(retries=0)
    else:
        kind = ChatBackend if way == "chat" else CompletionsBackend
        backend = kind(engine.model_name, engine.base_url, retries=0)
    async with aclosing(backend):
        yield backend


async def written(backend: Backend, logprobs: int) -> tuple[str, list[TokenLogprob]]:
    request = replace(asked("Compute 47*86 + 93*12", tokens=12), logprobs=logprobs)
    chunks: list[Chunk] = [chunk async for chunk in backend.stream(request)]
    return "".join(chunk.text for chunk in chunks), [one for chunk in chunks for one in chunk.logprobs]


@pytest.mark.parametrize("way", WAYS)
async def test_each_token_comes_with_the_likeliest_in_its_place(quick_engine: LlamaServer, way: str) -> None:
    async with over(way, quick_engine) as backend:
        text, told = await written(backend, 3)
        assert "".join(one.token for one in told) == text
        assert len(told) == 12
        for one in told:
            assert len(one.top) == 3
            assert one.top[0] == (one.token, one.logprob)  # the likeliest one was taken
            assert 0 >= one.top[0][1] >= one.top[1][1] >= one.top[2][1]


@pytest.mark.parametrize("way", WAYS)
async def test_one_gives_the_token_that_was_written_and_none_gives_nothing(
    quick_engine: LlamaServer, way: str
) -> None:
    async with over(way, quick_engine) as backend:
        text, told = await written(backend, 1)
        assert [one.token for one in told] == [one.top[0][0] for one in told]
        assert await written(backend, 0) == (text, [])


async def test_both_endpoints_tell_the_same(quick_engine: LlamaServer) -> None:
    async with over("own", quick_engine) as own, over("completions", quick_engine) as completions:
        (text, told), (other, as_well) = await written(own, 2), await written(completions, 2)
    assert (text, [one.token for one in told]) == (other, [one.token for one in as_well])
    assert [one.logprob for one in told] == pytest.approx([one.logprob for one in as_well], abs=1e-2)
