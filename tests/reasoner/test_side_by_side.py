"""What a server gains is measured once, kept for a week, and asked for once in a session."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.test_examination import counting, kept_by
from weaver_sdk import ParallelReasoner
from weaver_sdk.backends.base import Backend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.side_by_side import SideBySide, TooSlow
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.vllm import VLLMServer
from weaver_sdk.errors import APIStatusError, ConfigurationError
from weaver_sdk.kept_measures import KEPT_FOR, Measured, find_measure, keep_measure, measures_file
from weaver_sdk.session import Session
from weaver_sdk.testing import Chat, ScriptedBackend, ScriptedServer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OF = Measured(server="http://127.0.0.1:8000/v1", model="m", streams=4)


def side_by_side(figure: float, measured: datetime = NOW) -> SideBySide:
    return SideBySide(figure=figure, alone=10.0, together=10 * figure, seconds=0.1, measured=measured)


class Measuring:
    """Takes the place of `measure`: answers when it is let to, and counts how often it was asked."""

    def __init__(self, *answers: float | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.let = asyncio.Event()
        self.let.set()

    async def __call__(self, backend: Backend, patience: float) -> SideBySide:
        self.asked += 1
        await self.let.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return side_by_side(answer, datetime.now(UTC))


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Measuring]:
    def install(*answers: float | Exception) -> Measuring:
        measuring = Measuring(*answers)
        monkeypatch.setattr("weaver_sdk.session_gain.measure", measuring)
        return measuring

    return install


async def figure(**how: Any) -> float | None:
    """Return the figure of a session of its own."""
    async with ParallelReasoner(**how) as reasoner:
        return await (await reasoner._session()).side_by_side()


async def test_a_server_is_measured_once_for_all_sessions(measuring: Callable[..., Measuring]) -> None:
    measure = measuring(2.5, 1.0)
    async with ScriptedServer(counting) as server, ScriptedServer(counting) as other:
        assert await figure(base_url=server.base_url) == 2.5
        assert await figure(base_url=server.base_url, api="completions") == 2.5
        assert await figure(base_url=other.base_url) == 1.0
        assert await figure(base_url=server.base_url) == 2.5
    assert measure.asked == 2


async def test_opening_a_session_measures_nothing(measuring: Callable[..., Measuring]) -> None:
    measure = measuring()
    async with ScriptedServer(counting) as server, ParallelReasoner(base_url=server.base_url) as reasoner:
        await reasoner._session()
    assert measure.asked == 0


async def session_of(reasoner: ParallelReasoner) -> Session:
    return await reasoner._session()


async def test_many_runs_wait_for_one_measure_and_one_that_is_cancelled_leaves_it(
    measuring: Callable[..., Measuring],
) -> None:
    measure = measuring(2.5)
    measure.let.clear()
    async with ScriptedServer(counting) as server, ParallelReasoner(base_url=server.base_url) as reasoner:
        session = await session_of(reasoner)
        asking = [asyncio.ensure_future(session.side_by_side()) for _ in range(5)]
        while not measure.asked:
            await asyncio.sleep(0)
        asking[0].cancel()
        await asyncio.wait(asking[:1])
        measure.let.set()
        assert await asyncio.gather(*asking[1:]) == [2.5] * 4
        assert await session.side_by_side() == 2.5
    assert measure.asked == 1


async def test_a_session_that_is_closed_ends_its_measure(measuring: Callable[..., Measuring]) -> None:
    measure = measuring(2.5)
    measure.let.clear()
    async with ScriptedServer(counting) as server:
        async with ParallelReasoner(base_url=server.base_url) as reasoner:
            asking = asyncio.ensure_future((await session_of(reasoner)).side_by_side())
            while not measure.asked:
                await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert not measures_file().exists()


async def test_a_server_too_slow_to_be_measured_is_not_forked_on_and_nothing_is_kept(
    measuring: Callable[..., Measuring], caplog: pytest.LogCaptureFixture
) -> None:
    measuring(TooSlow("the prompts and the first 12 tokens took 9 s"))
    async with ScriptedServer(counting) as server:
        async with ParallelReasoner(base_url=server.base_url) as reasoner:
            assert await (await session_of(reasoner)).side_by_side() == 1.0
        assert "took 9 s, so what it gains" in caplog.text
    assert not measures_file().exists()


async def test_a_measure_that_fails_is_logged_and_unknown_for_the_session(
    measuring: Callable[..., Measuring], caplog: pytest.LogCaptureFixture
) -> None:
    measure = measuring(APIStatusError("the server is overloaded", status=500), 2.0)
    async with ScriptedServer(counting) as server:
        async with ParallelReasoner(base_url=server.base_url) as reasoner:
            session = await session_of(reasoner)
            assert await session.side_by_side() is None
            assert await session.side_by_side() is None
        assert measure.asked == 1
        assert "could not be measured: the server is overloaded" in caplog.text
        assert await figure(base_url=server.base_url) == 2.0


async def test_a_bug_comes_out_and_the_next_run_asks_again(measuring: Callable[..., Measuring]) -> None:
    measuring(ValueError("a bug"), 2.0)
    async with ScriptedServer(counting) as server, ParallelReasoner(base_url=server.base_url) as reasoner:
        session = await session_of(reasoner)
        with pytest.raises(ValueError, match="a bug"):
            await session.side_by_side()
        assert await session.side_by_side() == 2.0


async def test_what_the_user_says_is_taken_and_nothing_is_measured(
    measuring: Callable[..., Measuring],
) -> None:
    measure = measuring()
    async with ScriptedServer(counting) as server:
        assert await figure(base_url=server.base_url, side_by_side=1.25) == 1.25
        assert await figure(backend=ScriptedBackend({}), side_by_side=3) == 3
    assert measure.asked == 0
    assert not measures_file().exists()


@pytest.mark.parametrize("given", [0, -1.0, float("nan"), float("inf")])
def test_a_figure_that_cannot_be_is_refused(given: float) -> None:
    with pytest.raises(ConfigurationError, match="side_by_side"):
        ParallelReasoner("m", base_url="http://h/v1", side_by_side=given)


async def test_one_request_at_a_time_gains_nothing_and_needs_no_measure(
    measuring: Callable[..., Measuring],
) -> None:
    measure = measuring(2.0)
    async with ScriptedServer(counting) as server:
        assert await figure(base_url=server.base_url, max_concurrency=1) == 1.0
        assert measure.asked == 0
        assert await figure(base_url=server.base_url) == 2.0  # a limit of the client is not the server's


async def test_a_backend_of_ones_own_and_a_commercial_host_are_not_measured(
    measuring: Callable[..., Measuring],
) -> None:
    measure = measuring()
    assert await figure(backend=ScriptedBackend({})) is None
    hosted = CompletionsBackend("m", "https://api.openai.com/v1", "sk-x")
    assert await figure(backend=hosted) is None
    await hosted.aclose()
    assert measure.asked == 0


async def test_a_host_that_doctor_has_measured_is_known(measuring: Callable[..., Measuring]) -> None:
    measuring()
    address = "https://api.openai.com/v1"
    keep_measure(
        Measured(server=address, model="m", streams=4),
        side_by_side(3.5, datetime.now(UTC)),
        datetime.now(UTC),
    )
    assert await figure(model="m", base_url=address, api_key="sk-x") == 3.5


class AnEngine:
    """Serves what a scripted server does."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def backend(self, **options: Any) -> CompletionsBackend:
        return CompletionsBackend(self.server.name, self.server.base_url, **options)

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class AnEngineWithAName(AnEngine):
    identity = "scripted m.gguf, 4 slots"


async def test_an_engine_is_known_again_by_its_settings_whatever_its_port(
    measuring: Callable[..., Measuring],
) -> None:
    measuring(2.0)
    for _ in range(2):
        async with ScriptedServer(counting) as server:
            assert await figure(engine=AnEngineWithAName(server), dialect="threadweaver") == 2.0


async def test_an_engine_without_a_name_is_measured_at_every_start(
    measuring: Callable[..., Measuring],
) -> None:
    measuring(2.0, 3.0)
    async with ScriptedServer(counting) as server:
        assert await figure(engine=AnEngine(server)) == 2.0
        assert await figure(engine=AnEngine(server)) == 3.0


def test_engines_are_named_by_what_makes_them_fast_and_by_no_secret(tmp_path: Path) -> None:
    llama = LlamaServer("m.gguf", slots=4)
    assert llama.identity == LlamaServer("m.gguf", slots=4, port=4711).identity
    assert len({llama.identity, LlamaServer("m.gguf").identity, LlamaServer("n.gguf", slots=4).identity}) == 3
    made = {"api_key": "sk-secret", "environment": {"HF_TOKEN": "hf-secret"}}
    vllm = VLLMServer("org/m", **made)
    assert vllm.identity == VLLMServer("org/m", port=4711, **made).identity
    assert vllm.identity != VLLMServer("org/m", flags={"dtype": "float32"}, **made).identity
    assert "secret" not in vllm.identity


async def test_really_measured_it_costs_a_few_tokens_and_the_second_session_none() -> None:
    """Each prompt is prefilled, then one stream, four, and one again; four again where they gain nothing."""
    server = ScriptedServer(counting, chat=Chat(only=True), routes=kept_by("someone"), pace=0.001)
    async with server:
        found = await figure(base_url=server.base_url)
        assert found is not None
        assert found > 0
        asked = len(server.completions)
        assert asked in (10, 14)
        assert server.most_running == 4
        assert await figure(base_url=server.base_url) == found
        assert len(server.completions) == asked


def test_a_measure_is_kept_for_a_week() -> None:
    assert find_measure(OF, NOW) is None
    keep_measure(OF, side_by_side(2.5), NOW)
    for age in (timedelta(0), KEPT_FOR):
        kept = find_measure(OF, NOW + age)
        assert kept is not None
        assert (kept.side_by_side, kept.measured) == (2.5, NOW)
    assert find_measure(OF, NOW + KEPT_FOR + timedelta(seconds=1)) is None
    assert find_measure(OF, NOW - timedelta(seconds=1)) is None  # the clock was wrong, then or now


def test_a_new_measure_takes_the_place_of_the_old_one_and_leaves_others() -> None:
    other = Measured(server=OF.server, model="other", streams=4)
    keep_measure(OF, side_by_side(2.5), NOW)
    keep_measure(other, side_by_side(3.5), NOW)
    keep_measure(OF, side_by_side(1.5), NOW)
    kept = [find_measure(of, NOW) for of in (OF, other)]
    assert [entry and entry.side_by_side for entry in kept] == [1.5, 3.5]
    keep_measure(OF, side_by_side(1.0, NOW + 2 * KEPT_FOR), NOW + 2 * KEPT_FOR)
    assert b"other" not in measures_file().read_bytes()
    assert [file.name for file in measures_file().parent.iterdir()] == [measures_file().name]


@pytest.mark.parametrize("field", ["server", "model", "streams", "machine"])
def test_another_server_model_width_or_machine_is_another_measure(field: str) -> None:
    keep_measure(OF, side_by_side(2.5), NOW)
    changed: Any = {**vars(OF), field: 2 if field == "streams" else "another"}
    assert find_measure(Measured(**changed), NOW) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": 1}',
        b"[1]",
        b'[{"of": {"server": "s", "model": "m", "streams": 4, "machine": "x"}, "side_by_side": -1}]',
        b"\xff\xfe",
    ],
)
def test_a_file_that_cannot_be_read_is_logged_and_written_anew(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = measures_file()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert find_measure(OF, NOW) is None
    assert "made anew" in caplog.text
    keep_measure(OF, side_by_side(2.5), NOW)
    assert find_measure(OF, NOW) is not None


def test_a_folder_that_cannot_be_written_is_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("WEAVER_HOME", str(tmp_path / "file"))
    keep_measure(OF, side_by_side(2.5), NOW)
    assert "is not kept" in caplog.text


def test_nobody_sees_half_a_file(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    keep_measure(OF, side_by_side(2.5), NOW)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    keep_measure(OF, side_by_side(1.0), NOW)
    assert "the disk is full" in caplog.text
    kept = find_measure(OF, NOW)
    assert kept is not None
    assert kept.side_by_side == 2.5
    assert [file.name for file in measures_file().parent.iterdir()] == [measures_file().name]


@given(server=st.text(), model=st.text(), figure=st.floats(0.01, 1e6))
def test_any_name_of_a_server_comes_back(server: str, model: str, figure: float) -> None:
    of = Measured(server=server, model=model, streams=4)
    keep_measure(of, side_by_side(figure), NOW)
    kept = find_measure(of, NOW)
    assert kept is not None
    assert kept.side_by_side == figure


async def test_neither_keys_nor_credentials_are_written(measuring: Callable[..., Measuring]) -> None:
    measuring(2.0)
    async with ScriptedServer(counting, api_key="sk-secret") as server:
        address = server.base_url.replace("//", "//user:pass-secret@") + "?key=query-secret"
        reasoner = ParallelReasoner("m", base_url=address, api_key="sk-secret")
        async with reasoner:
            assert await (await session_of(reasoner)).side_by_side() == 2.0
        assert "secret" not in measures_file().read_text()
        assert server.base_url in measures_file().read_text()


def test_the_folder_is_the_users_cache_unless_weaver_has_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEAVER_HOME", str(tmp_path / "home"))
    assert measures_file() == tmp_path / "home" / "side_by_side.json"
    monkeypatch.delenv("WEAVER_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert measures_file() == tmp_path / "cache" / "weaver" / "side_by_side.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert measures_file().is_relative_to(tmp_path)
