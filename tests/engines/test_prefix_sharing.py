"""The threads of a fork compute what they have in common once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.completions import Completion, asked, complete, fork, story
from tests.engines.conftest import SLOTS
from weaver_sdk.backends.base import SharedPrefix
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.llama.backend import WORTH_SHARING, LlamaBackend


@pytest.fixture
async def backend(engine: LlamaServer) -> AsyncIterator[LlamaBackend]:
    backend = LlamaBackend(engine.url, model=engine.model_name, slots=SLOTS)
    yield backend
    await backend.aclose()


@pytest.fixture
async def quick(quick_engine: LlamaServer) -> AsyncIterator[LlamaBackend]:
    backend = LlamaBackend(quick_engine.url, model=quick_engine.model_name, slots=SLOTS)
    yield backend
    await backend.aclose()


def saved(engine: LlamaServer) -> list[Path]:
    assert engine.log_path is not None
    return sorted((engine.log_path.parent / "slots").iterdir())


def cached_share(completion: Completion) -> float:
    prompt, cached = completion.usage.prompt_tokens, completion.usage.cached_prompt_tokens
    assert prompt is not None
    assert cached is not None
    return cached / prompt


async def test_each_thread_reuses_the_prefix_of_the_main_line(backend: LlamaBackend) -> None:
    prefix = story(150, seed=11)
    main = await complete(backend, asked(prefix, tokens=1))
    threads = await fork(backend, prefix)
    assert all(cached_share(thread) > 0.95 for thread in threads)

    assert main.usage.prompt_tokens is not None
    assert all(
        (thread.usage.cached_prompt_tokens or 0) >= 0.95 * main.usage.prompt_tokens for thread in threads
    )


async def test_the_text_is_that_of_an_unshared_run(engine: LlamaServer, backend: LlamaBackend) -> None:
    prefix = story(60, seed=12)
    shared = await fork(backend, prefix, tokens=12)
    alone = LlamaBackend(engine.url, model="m", slots=SLOTS, share_prefixes=False)
    unshared = [
        await complete(alone, asked(f"{prefix}\n<Thread>\n{number}:", tokens=12)) for number in range(1, 5)
    ]
    await alone.aclose()
    assert [thread.text for thread in shared] == [thread.text for thread in unshared]


async def test_a_prefix_that_nobody_computed_is_computed_once(quick: LlamaBackend) -> None:
    threads = await fork(quick, story(100, seed=13))
    assert all(cached_share(thread) > 0.9 for thread in threads)


async def test_a_wider_fork_than_there_are_slots(quick: LlamaBackend) -> None:
    threads = await fork(quick, story(100, seed=14), width=2 * SLOTS, tokens=3)
    assert all(cached_share(thread) > 0.9 for thread in threads)


async def test_forks_at_once_do_not_mix(quick_engine: LlamaServer, quick: LlamaBackend) -> None:
    prefixes = [story(50, seed) for seed in (15, 16, 17)]
    at_once = await asyncio.gather(*(fork(quick, prefix, 2, key=prefix) for prefix in prefixes))
    one_by_one = [await fork(quick, prefix, 2, key=f"again {prefix}") for prefix in prefixes]
    assert [[thread.text for thread in threads] for threads in at_once] == [
        [thread.text for thread in threads] for threads in one_by_one
    ]
    assert len(saved(quick_engine)) <= 4 * SLOTS


async def test_a_small_prefix_is_not_worth_it(quick_engine: LlamaServer, quick: LlamaBackend) -> None:
    for file in saved(quick_engine):
        file.unlink()
    await fork(quick, "x" * (WORTH_SHARING - 1), width=2, tokens=2)
    assert saved(quick_engine) == []
    await fork(quick, story(60, seed=18), width=2, tokens=2)
    assert len(saved(quick_engine)) == 1


async def test_a_first_thread_that_is_cancelled_does_not_hold_the_others_up(quick: LlamaBackend) -> None:
    prefix = story(500, seed=19)
    shared = SharedPrefix(key="cancelled", width=3, text=prefix)
    requests = [asked(f"{prefix}\n<Thread>\n{n}:", tokens=3, shared=shared) for n in (1, 2, 3)]
    first, *others = [asyncio.create_task(complete(quick, request)) for request in requests]
    await asyncio.sleep(0.01)
    first.cancel()
    done = await asyncio.gather(*others)
    assert all(thread.end[0] for thread in done)


async def test_siblings_that_never_come_do_not_pile_up(quick_engine: LlamaServer) -> None:
    backend = LlamaBackend(quick_engine.url, model="m", slots=1)
    prefix = story(30, seed=20)
    for n in range(6):
        shared = SharedPrefix(key=f"fork {n}", width=2, text=prefix)
        await complete(backend, asked(prefix + " a", tokens=1, shared=shared))
    assert backend._forks is not None
    assert len(backend._forks._open) == 4
    await backend.aclose()


async def test_a_server_that_cannot_save_slots_serves_all_the_same() -> None:
    with LlamaServer(slots=2) as server:
        assert server.log_path is not None
        shutil.rmtree(server.log_path.parent / "slots")
        backend = LlamaBackend(server.url, model="m", slots=2)
        threads = await fork(backend, story(40, seed=21), width=2, tokens=3)
        assert all(thread.end[0] for thread in threads)
        await backend.aclose()
