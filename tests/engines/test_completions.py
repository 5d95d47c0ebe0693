"""One completion on a real llama.cpp: its end, its counts, its abort."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from tests.engines.completions import asked, complete, story
from tests.engines.conftest import SLOTS
from tests.engines.watching import within
from weaver_sdk.backends.base import Backend
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.llama.backend import LlamaBackend, read_chunk
from weaver_sdk.errors import APIStatusError, BackendError, ConfigurationError, ProtocolError
from weaver_sdk.options import Sampling


@pytest.fixture
async def backend(engine: LlamaServer) -> AsyncIterator[LlamaBackend]:
    backend = engine.backend(retries=0)
    yield backend
    await backend.aclose()


def busy_slots(engine: LlamaServer) -> int:
    return sum(slot["is_processing"] for slot in httpx2.get(engine.url + "/slots").json())


def test_it_is_a_backend(backend: LlamaBackend) -> None:
    assert isinstance(backend, Backend)
    assert backend.capabilities.reports_matched_stop
    assert backend.model in repr(backend)


async def test_a_stop_string_is_told_from_the_end_of_the_sequence(backend: LlamaBackend) -> None:
    stopped = await complete(backend, asked("Count: one, two, three,", tokens=20, stop=("five", "nine")))
    assert stopped.end == ("stop", "five")
    assert "four" in stopped.text
    ended = await complete(backend, asked("Go.", tokens=20, stop=("five",), grammar='root ::= " Yes"'))
    assert ended.end == ("stop", None)
    cut = await complete(backend, asked("Count: one, two, three,", tokens=2))
    assert cut.end == ("length", None)


async def test_the_runs_stops_and_the_users_both_fire(backend: LlamaBackend) -> None:
    for runs, users, fires in (("five", "nine", "five"), ("nine", "five", "five")):
        request = asked("Count: one, two, three,", tokens=20, stop=(runs,))
        sampling = replace(request.sampling, stop=(users,))
        assert (await complete(backend, replace(request, sampling=sampling))).end == ("stop", fires)


async def test_tokens_are_counted_and_told(backend: LlamaBackend) -> None:
    first = await complete(backend, asked(story(40, 1), tokens=6))
    assert first.usage.completion_tokens == 6
    assert sum(len(chunk.token_ids) for chunk in first.chunks) == 6
    prompt = first.usage.prompt_tokens
    assert prompt is not None
    assert prompt > 40
    again = await complete(backend, asked(story(40, 1), tokens=6))
    assert again.usage.cached_prompt_tokens == prompt - 1
    assert again.text == first.text


async def test_a_grammar_holds(backend: LlamaBackend) -> None:
    grammar = 'root ::= "<a>" [0-9]{3} "</a>"'
    held = await complete(backend, asked("Tell me about Paris.", tokens=None, grammar=grammar))
    assert held.text.startswith("<a>")
    assert held.text.endswith("</a>")
    assert len(held.text) == 10


async def test_the_models_own_template_is_told(backend: LlamaBackend) -> None:
    told = await backend.chat_template()
    assert told is not None
    assert told([{"role": "user", "content": "Hello?"}]).endswith("assistant\n")


async def test_what_the_server_refuses_is_told_and_frees_the_slot(backend: LlamaBackend) -> None:
    for _ in range(SLOTS + 1):
        with pytest.raises(APIStatusError, match="context") as refused:
            await complete(backend, asked(story(4000, 2)))
        assert refused.value.status == 400
    with pytest.raises(APIStatusError):
        await complete(backend, asked("Go.", grammar="no grammar at all"))
    assert (await complete(backend, asked("Go.", tokens=2))).end[0] == "length"


async def test_more_requests_than_slots_wait_for_their_turn(backend: LlamaBackend) -> None:
    done = await asyncio.gather(*(complete(backend, asked(f"Line {n}:", tokens=4)) for n in range(3 * SLOTS)))
    assert [completion.end[0] for completion in done] == ["length"] * 3 * SLOTS


async def test_an_abort_frees_the_slot_here_and_on_the_server(
    engine: LlamaServer, backend: LlamaBackend
) -> None:
    for _ in range(SLOTS + 1):
        chunks = backend.stream(asked("Once upon a time", tokens=1500))
        assert (await anext(chunks)).sent
        assert (await anext(chunks)).finish_reason is None
        await chunks.aclose()
    assert await asyncio.to_thread(within, 1.0, lambda: busy_slots(engine) == 0)
    done = await asyncio.gather(*(complete(backend, asked(f"Line {n}:", tokens=4)) for n in range(SLOTS)))
    assert all(completion.usage.completion_tokens == 4 for completion in done)


async def test_cancelled_tasks_free_their_slots_and_their_places_in_the_queue(
    engine: LlamaServer, backend: LlamaBackend
) -> None:
    for pause in (0.0, 0.02, 0.2):
        tasks = [
            asyncio.create_task(complete(backend, asked(story(30, n), tokens=500))) for n in range(2 * SLOTS)
        ]
        await asyncio.sleep(pause)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        # the arithmetic of one batch is not broken off, so a prompt may hold a slot a little longer
        assert await asyncio.to_thread(within, 5.0, lambda: busy_slots(engine) == 0)
    assert (await complete(backend, asked("Go.", tokens=2))).end[0] == "length"


async def test_an_engine_that_dies_is_an_error_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # its log is kept
    with LlamaServer(slots=1) as server:
        backend = LlamaBackend(server.url, model="m", slots=1, retries=0)
        endless = replace(asked("Compute 2*3", tokens=None), sampling=Sampling(extra={"ignore_eos": True}))
        chunks = backend.stream(endless)
        assert (await anext(chunks)).sent
        assert (await anext(chunks)).text
        assert server._engine is not None
        server._engine.process.kill()
        with pytest.raises(BackendError):
            async for _ in chunks:
                pass
        await backend.aclose()


@pytest.mark.parametrize(
    "told", [{}, {"content": "x"}, {"content": "", "stop": True}, {"content": "", "stop": True, "timings": 3}]
)
def test_an_unknown_shape_is_a_protocol_error(told: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="unknown format"):
        read_chunk(told)


def test_no_slots_are_no_backend() -> None:
    with pytest.raises(ConfigurationError, match="slots=0"):
        LlamaBackend("http://127.0.0.1:1", model="m", slots=0)
