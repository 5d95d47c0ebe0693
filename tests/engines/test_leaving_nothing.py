"""However an engine ends, no process, port, file or descriptor is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tests.engines.watching import answers, is_alive, left_in, within
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.models import smollm2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PARENT = """
import sys, threading, time
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.models import smollm2
server = LlamaServer(smollm2())
if sys.argv[1] == "serving":
    server.start()
    print(server.pid, server.url, flush=True)
else:
    threading.Thread(target=server.start, daemon=True).start()
    while server.pid is None:
        time.sleep(0.001)
    print(server.pid, "http://127.0.0.1:1", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


async def test_after_an_exception(workplace: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with LlamaServer() as server:
            pid, url = server.pid, server.url
            raise ZeroDivisionError
    assert pid is not None
    assert not is_alive(pid)
    assert not answers(url)
    assert left_in(workplace) == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
async def test_after_a_cancelled_start(seconds: float, workplace: Path) -> None:
    server = LlamaServer(smollm2())
    starting = asyncio.create_task(server.__aenter__())
    while server.pid is None:
        await asyncio.sleep(0)
    pid = server.pid
    await asyncio.sleep(seconds)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_alive(pid)
    assert server.pid is None
    assert left_in(workplace) == []


async def test_after_a_cancelled_use(workplace: Path) -> None:
    server = LlamaServer()
    pids: list[int | None] = []

    async def use() -> None:
        async with server:
            pids.append(server.pid)
            await asyncio.sleep(60)

    using = asyncio.create_task(use())
    while not pids:
        await asyncio.sleep(0.01)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert pids[0] is not None
    assert not is_alive(pids[0])


@pytest.mark.parametrize("moment", ["starting", "serving"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_after_the_death_of_its_parent(moment: str, number: signal.Signals, workplace: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, moment], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        told, url = parent.stdout.readline().split()
        pid = int(told)
        assert is_alive(pid)
        parent.send_signal(number)
        parent.wait()
    assert within(20, lambda: not is_alive(pid))
    assert within(1, lambda: not answers(url))
    assert within(1, lambda: left_in(workplace) == [])


def test_after_a_fork_that_outlives_the_parent() -> None:
    """The fork holds the pipe to the engine open, so the pipe alone would not tell."""
    script = PARENT.replace("time.sleep(60)", "os.fork() == 0 and (os.close(1), time.sleep(15)); os._exit(0)")
    with subprocess.Popen(
        [sys.executable, "-c", "import os\n" + script, "serving"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
    assert within(10, lambda: not is_alive(pid))


def test_ten_times_in_a_row(workplace: Path) -> None:
    server = LlamaServer()
    pids = []
    descriptors, threads = os.listdir("/proc/self/fd"), threading.active_count()
    for _ in range(10):
        with server:
            pids.append(server.pid)
    assert not any(is_alive(pid) for pid in pids if pid is not None)
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)
    assert within(2, lambda: threading.active_count() == threads)
    assert left_in(workplace) == []
