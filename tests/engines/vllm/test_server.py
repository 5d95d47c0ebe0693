"""A vLLM server starts, is watched, says why it failed, and leaves nothing: against a scripted `vllm`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.engines.vllm.logs import FAILURES, START
from tests.engines.vllm.scripts import model_folder, scripted_vllm
from tests.engines.watching import answers, is_alive, left_in, within
from weaver_sdk.engines.vllm import VLLMServer, process
from weaver_sdk.engines.vllm.progress import Progress
from weaver_sdk.errors import ConfigurationError, EngineError, EngineNotInstalled, EngineStartFailed
from weaver_sdk.session import Session
from weaver_sdk.session_config import SessionConfig

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers put their files, empty at first; its name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def server_for(tmp_path: Path, scenario: dict[str, Any] | None = None, **options: Any) -> VLLMServer:
    model = tmp_path / "my-model"
    return VLLMServer(
        model if model.exists() else model_folder(tmp_path),
        executable=scripted_vllm(tmp_path, **(scenario or {})),
        device="cpu",
        **options,
    )


def shared_memory(pids: list[int]) -> set[Path]:
    """What processes hold in shared memory; those of other test runs on this machine have theirs."""
    return {file for pid in pids if (file := Path(f"/dev/shm/psm_scripted_{pid}")).exists()}


def ids_in(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def command_lines() -> list[str]:
    files = Path("/proc").glob("[0-9]*/cmdline")
    return [file.read_bytes().replace(b"\0", b" ").decode(errors="replace") for file in files]


async def test_it_serves_with_its_key_alone(tmp_path: Path, workplace: Path) -> None:
    async with server_for(tmp_path, {"log": START}) as server:
        assert server.model_name == "my-model"
        assert server.context_tokens == 4096
        assert server.base_url == f"{server.url}/v1"
        assert httpx2.get(f"{server.base_url}/models").status_code == 401
        allowed = {"authorization": f"Bearer {server.api_key}"}
        assert httpx2.get(f"{server.base_url}/models", headers=allowed).status_code == 200
    assert left_in(workplace) == []


def test_it_serves_without_a_loop_too(tmp_path: Path, workplace: Path) -> None:
    server = server_for(tmp_path)
    with server:
        assert answers(server.url)
        with pytest.raises(EngineError, match="already running"):
            server.start()
    assert server.pid is None
    server.stop()
    with pytest.raises(EngineError, match="is not running"):
        _ = server.url
    with server as again:
        assert answers(again.url)
    assert left_in(workplace) == []


async def test_the_key_is_seen_nowhere(
    tmp_path: Path, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with server_for(tmp_path) as server:
        assert server.log_path is not None
        assert server.command is not None
        commands = command_lines()
        assert any("vllm/program.py" in command for command in commands)
        for seen in (repr(server), server.command, server.log_path.read_text(), caplog.text, *commands):
            assert server.api_key not in seen


async def test_a_key_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "from-outside")
    assert server_for(tmp_path).api_key == "from-outside"
    async with server_for(tmp_path, api_key="mine") as server:
        headers = {"authorization": "Bearer mine"}
        assert httpx2.get(f"{server.base_url}/models", headers=headers).status_code == 200
    monkeypatch.delenv("VLLM_API_KEY")
    assert server_for(tmp_path).api_key != server_for(tmp_path).api_key


async def test_a_reasoner_speaks_to_it_as_to_a_vllm_and_asks_it_nothing(tmp_path: Path) -> None:
    server = server_for(tmp_path)
    session = await Session.open(SessionConfig(engine=server, template="raw", dialect="threadweaver"))
    try:
        capabilities = session.backend.capabilities
        assert capabilities.server == "vllm"
        assert capabilities.extra_fields["skip_special_tokens"] is False
        assert capabilities.context_tokens == 4096
        assert server.log_path is not None
        asked = server.log_path.read_text()
        assert asked.count("GET /v1/models") == 1  # by the launcher
        assert "GET /version" not in asked
    finally:
        await session.aclose()
    assert server.pid is None


class TestProgress:
    async def test_it_is_told_in_the_loop_with_every_phase(self, tmp_path: Path) -> None:
        told: list[Progress] = []
        loops: set[asyncio.AbstractEventLoop] = set()

        def tell(progress: Progress) -> None:
            told.append(progress)
            loops.add(asyncio.get_running_loop())

        async with server_for(tmp_path, {"log": START, "pause": 0.4}, on_progress=tell):
            pass
        assert loops == {asyncio.get_running_loop()}
        assert told[-1].phase == "ready"
        assert told[-2].phase == "trying it"
        assert [p.seconds for p in told] == sorted(p.seconds for p in told)

    def test_what_a_listener_raises_ends_the_start(self, tmp_path: Path, workplace: Path) -> None:
        def tell(progress: Progress) -> None:
            raise ZeroDivisionError

        server = server_for(tmp_path, {"pause": 60}, on_progress=tell)
        with pytest.raises(ZeroDivisionError):
            server.start()
        assert server.pid is None
        assert left_in(workplace) == []

    async def test_a_loop_goes_on_meanwhile(self, tmp_path: Path) -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with server_for(tmp_path, {"pause": 0.3}):
            assert ticks > 10
        ticking.cancel()


class TestFailures:
    @pytest.mark.parametrize("failure", ["a cache too small for the context", "an unknown flag"])
    async def test_an_early_death_is_told_with_its_cause(
        self, tmp_path: Path, workplace: Path, failure: str
    ) -> None:
        lines, said = FAILURES[failure]
        server = server_for(tmp_path, {"log": [*START, *lines], "exit": 1})
        with pytest.raises(EngineStartFailed) as failed:
            async with server:
                pass
        first, *rest = str(failed.value).splitlines()
        assert first.startswith("vLLM did not start: ")
        assert said in first
        assert lines[-1] in rest[-1]
        assert server.api_key not in str(failed.value)
        [log] = left_in(workplace)[1:]
        assert log.read_text().startswith(START[0])
        assert str(log) in str(failed.value)

    def test_the_command_by_hand_does_the_same(self, tmp_path: Path) -> None:
        lines, _ = FAILURES["an unknown flag"]
        with pytest.raises(EngineStartFailed) as failed:
            server_for(tmp_path, {"log": lines, "exit": 2}).start()
        command = str(failed.value).splitlines()[1].removeprefix("By hand: ")
        again = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert again.returncode == 2
        assert lines[0] in again.stdout

    async def test_one_that_was_killed_for_memory(self, tmp_path: Path) -> None:
        server = server_for(tmp_path, {"log": START, "signal": int(signal.SIGKILL)})
        with pytest.raises(EngineStartFailed, match="most likely because it ran out of memory"):
            await server.__aenter__()

    async def test_one_that_says_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(EngineStartFailed, match="it exited with status 3"):
            await server_for(tmp_path, {"exit": 3}).__aenter__()

    async def test_one_that_is_up_but_cannot_generate(self, tmp_path: Path, workplace: Path) -> None:
        server = server_for(tmp_path, {"completions": 500})
        with pytest.raises(EngineStartFailed, match=r"up, but cannot generate: 500.*EngineDeadError"):
            await server.__aenter__()
        assert server.pid is None

    async def test_one_that_dies_of_its_first_completion(self, tmp_path: Path) -> None:
        with pytest.raises(EngineStartFailed, match="the GPU's memory is too small"):
            await server_for(tmp_path, {"die": True}).__aenter__()

    async def test_one_that_is_too_slow(self, tmp_path: Path, workplace: Path) -> None:
        server = server_for(tmp_path, {"log": START[:3], "pause": 60}, start_timeout=0.5)
        with pytest.raises(EngineStartFailed, match=r"not ready after 0\.5 s"):
            await server.__aenter__()
        assert server.pid is None

    def test_a_port_that_is_taken_is_told_before_anything_is_loaded(
        self, tmp_path: Path, workplace: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(EngineStartFailed, match=f"port {port} is in use"):
                server_for(tmp_path, port=port).start()
        assert left_in(workplace) == []

    def test_an_address_that_is_not_of_this_machine(self, tmp_path: Path) -> None:
        for host in ("192.0.2.1", "no.such.host.invalid"):
            with pytest.raises(ConfigurationError, match="host="):
                server_for(tmp_path, host=host).start()

    def test_a_program_that_is_not_there(self, tmp_path: Path, workplace: Path) -> None:
        with pytest.raises(EngineNotInstalled, match="there is no program"):
            VLLMServer(model_folder(tmp_path), executable=tmp_path / "vllm").start()
        assert left_in(workplace) == []

    def test_a_log_that_cannot_be_written(self, tmp_path: Path, workplace: Path) -> None:
        with pytest.raises(ConfigurationError, match="No such file or directory"):
            server_for(tmp_path, log=tmp_path / "no" / "folder").start()
        assert left_in(workplace) == []

    async def test_a_server_that_crashes_later_is_told(
        self, tmp_path: Path, workplace: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        processes = tmp_path / "processes"
        async with server_for(tmp_path, {"processes": str(processes)}) as server:
            waiting = asyncio.create_task(server.wait())
            os.kill(ids_in(processes)[-1], signal.SIGKILL)
            with pytest.raises(EngineError, match="exited by itself, with exit status 137"):
                await waiting
            assert not any(is_alive(pid) for pid in ids_in(processes))
        assert "exited by itself" in caplog.text
        [log] = left_in(workplace)[1:]
        assert log.name == "engine.log"


def test_a_port_that_was_asked_for_is_used_and_free_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        with server_for(tmp_path, port=port) as server:
            assert server.url == f"http://127.0.0.1:{port}"


def test_a_log_that_was_asked_for_stays_and_grows(tmp_path: Path, workplace: Path) -> None:
    log = tmp_path / "log"
    for times in (1, 2):
        with server_for(tmp_path, {"log": START}, log=log) as server:
            assert server.log_path == log
        assert log.read_text().count(START[0]) == times
    assert left_in(workplace) == []


class TestNothingIsLeft:
    """Processes in groups of their own that do not listen, shared memory, files, the port."""

    @pytest.fixture
    def processes(self, tmp_path: Path) -> Path:
        return tmp_path / "processes"

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_after_the_end(
        self,
        tmp_path: Path,
        workplace: Path,
        processes: Path,
        stubborn: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(process, "_GRACE", 0.5)
        with server_for(tmp_path, {"processes": str(processes), "stubborn": stubborn}) as server:
            pids, url = ids_in(processes), server.url
            assert len(pids) == 3
            assert all(is_alive(pid) for pid in pids)
            assert len({os.getsid(pid) for pid in pids}) == 3
            assert len(shared_memory(pids)) == 2
        assert not any(is_alive(pid) for pid in pids)
        assert not answers(url)
        assert shared_memory(pids) == set()
        assert left_in(workplace) == []

    async def test_after_an_exception(self, tmp_path: Path, workplace: Path, processes: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            async with server_for(tmp_path, {"processes": str(processes)}):
                raise ZeroDivisionError
        assert not any(is_alive(pid) for pid in ids_in(processes))
        assert left_in(workplace) == []

    @pytest.mark.parametrize("seconds", [0.0, 0.1, 0.6])
    async def test_after_a_cancelled_start(
        self, tmp_path: Path, workplace: Path, processes: Path, seconds: float
    ) -> None:
        server = server_for(tmp_path, {"processes": str(processes), "pause": 60})
        starting = asyncio.create_task(server.__aenter__())
        await asyncio.sleep(seconds)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert server.pid is None
        assert not any(is_alive(pid) for pid in ids_in(processes))
        assert left_in(workplace) == []

    async def test_after_a_cancelled_use(self, tmp_path: Path, workplace: Path, processes: Path) -> None:
        started = asyncio.Event()

        async def use() -> None:
            async with server_for(tmp_path, {"processes": str(processes)}):
                started.set()
                await asyncio.Event().wait()

        using = asyncio.create_task(use())
        await started.wait()
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        assert not any(is_alive(pid) for pid in ids_in(processes))
        assert left_in(workplace) == []

    @pytest.mark.parametrize("moment", ["starting", "serving"])
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_after_the_death_of_its_parent(
        self, tmp_path: Path, workplace: Path, processes: Path, moment: str, number: signal.Signals
    ) -> None:
        scenario = {"processes": str(processes), "pause": 60 if moment == "starting" else 0}
        server_for(tmp_path, scenario)
        script = f"""
import time
from weaver_sdk.engines.vllm import VLLMServer
server = VLLMServer({str(tmp_path / "my-model")!r}, executable={str(tmp_path / "vllm")!r}, device="cpu")
server.start()
print("ready", flush=True)
time.sleep(60)
"""
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
            if moment == "serving":
                assert parent.stdout is not None
                assert parent.stdout.readline() == b"ready\n"
            assert within(20, lambda: len(ids_in(processes)) == 3)
            parent.send_signal(number)
            parent.wait()
        assert within(20, lambda: not any(is_alive(pid) for pid in ids_in(processes)))
        assert within(5, lambda: left_in(workplace) == [])
        assert shared_memory(ids_in(processes)) == set()

    def test_after_a_fork_that_outlives_the_parent(
        self, tmp_path: Path, workplace: Path, processes: Path
    ) -> None:
        """The fork holds the pipe open, so the pipe alone would not tell."""
        server_for(tmp_path, {"processes": str(processes)})
        script = f"""
import os, time
from weaver_sdk.engines.vllm import VLLMServer
server = VLLMServer({str(tmp_path / "my-model")!r}, executable={str(tmp_path / "vllm")!r}, device="cpu")
server.start()
os.fork() == 0 and time.sleep(15)
os._exit(0)
"""
        subprocess.run([sys.executable, "-c", script], check=True)
        assert within(12, lambda: not any(is_alive(pid) for pid in ids_in(processes)))

    def test_after_the_death_of_the_watch(self, tmp_path: Path) -> None:
        """The last resort: vLLM's first process is killed with it."""
        processes = tmp_path / "processes"
        with server_for(tmp_path, {"processes": str(processes)}) as server:
            assert server.pid is not None
            first = ids_in(processes)[-1]
            os.kill(server.pid, signal.SIGKILL)
            assert within(5, lambda: not is_alive(first))
        for pid in ids_in(processes)[:-1]:  # whom nobody watches over any more
            os.kill(pid, signal.SIGKILL)
        for file in shared_memory(ids_in(processes)):
            file.unlink()

    def test_ten_times_in_a_row(self, tmp_path: Path, workplace: Path) -> None:
        server = server_for(tmp_path)
        descriptors = os.listdir("/proc/self/fd")
        for _ in range(10):
            with server:
                assert answers(server.url)
        assert len(os.listdir("/proc/self/fd")) == len(descriptors)
        assert left_in(workplace) == []


async def test_several_run_at_once(tmp_path: Path) -> None:
    servers = [server_for(tmp_path) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.__aenter__())
    assert len({server.url for server in servers}) == 3
    for server in servers:
        await server.__aexit__(None, None, None)
