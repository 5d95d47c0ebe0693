"""`weaver serve vllm`: it says where the server is, serves until Ctrl-C, and leaves nothing running."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from typer.testing import Result

from tests.engines.vllm.logs import FAILURES, START
from tests.engines.vllm.scripts import model_folder, scripted_vllm
from tests.engines.watching import answers, is_alive, within

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

WEAVER = (sys.executable, "-c", "from weaver_sdk.cli import main; main()")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Arguments that serve a folder with a scripted vLLM on any free port."""
    vllm = scripted_vllm(tmp_path, log=START, pause=0.3, processes=str(tmp_path / "processes"))
    return ["serve", "vllm", str(model_folder(tmp_path)), "--executable", str(vllm), "--port", "0"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_serves_until_it_is_told_to_end(
    words: list[str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*WEAVER, *words], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = [process.stdout.readline().strip() for _ in range(5)]
        base_url = re.search(r"my-model is served at (\S+) \(4096 tokens of context", told[0])
        key = told[1].removeprefix("key: ")
        assert base_url is not None
        models = httpx2.get(f"{base_url[1]}/models", headers={"authorization": f"Bearer {key}"})
        assert models.json()["data"][0]["id"] == "my-model"
        assert re.match(r"numbers: (bfloat16|float32): (this CPU has|the flags of this CPU)", told[2])
        assert Path(told[3].removeprefix("log: ")).read_text().startswith(START[0])
        assert told[4] == (
            f"WEAVER_API_KEY={key} weaver solve 'Compute 47*86 + 93*12' --base-url {base_url[1]}"
        )
        pids = [int(line) for line in (tmp_path / "processes").read_text().splitlines()]
        process.send_signal(number)
        assert process.wait() == code
        phases = process.stderr.read()
    assert within(10, lambda: not any(is_alive(pid) for pid in pids))
    assert not answers(base_url[1])
    assert re.search(r"^vLLM: (importing|trying it) · \d+ s$", phases, re.MULTILINE)  # as far as it was seen
    assert "vLLM: ready" in phases
    assert "Traceback" not in phases


def test_a_terminal_shows_how_far_it_is(words: list[str]) -> None:
    terminal, end = pty.openpty()
    with subprocess.Popen([*WEAVER, *words], stdout=subprocess.PIPE, stderr=end, text=True) as process:
        assert process.stdout is not None
        assert "served at" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait()
    shown = os.read(terminal, 65536).decode()
    os.close(end)
    os.close(terminal)
    assert "vLLM: importing" in shown or "vLLM: trying it" in shown


def test_options_and_flags_reach_vllm(words: list[str], weaver: Callable[..., Result]) -> None:
    result = weaver(
        *words,
        "--host",
        "127.0.0.1",
        "--context",
        "2048",
        "--start-timeout",
        "0.01",
        "--",
        "--max-num-seqs",
        "16",
    )
    assert result.exit_code == 1
    assert "--max-model-len 2048" in result.stderr
    assert "--max-num-seqs 16" in result.stderr
    assert "not ready after 0.01 s" in result.stderr


def test_a_failure_says_why_and_how_to_try_by_hand(tmp_path: Path, weaver: Callable[..., Result]) -> None:
    lines, said = FAILURES["a cache too small for the context"]
    vllm = scripted_vllm(tmp_path, log=lines, exit=1)
    log = tmp_path / "vllm.log"
    result = weaver(
        *("serve", "vllm", str(model_folder(tmp_path)), "--executable", str(vllm)),
        *("--port", "0", "--log", str(log)),
    )
    assert result.exit_code == 1
    last = result.stderr.split("weaver: ")[-1]
    assert said in last.splitlines()[0]
    assert last.splitlines()[1].startswith("By hand: ")
    assert str(log) in last
    assert lines[0] in log.read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--", "--api-key", "secret"], "pass api_key="),
        (["--context", "0"], "context_tokens=0"),
        (["stray"], "'stray' stands before any flag"),
    ],
)
def test_wrong_use(words: list[str], weaver: Callable[..., Result], more: list[str], said: str) -> None:
    result = weaver(*words, *more)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_server_that_ends_by_itself_ends_the_command(words: list[str], tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*WEAVER, *words], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "served at" in process.stdout.readline()
        first = int((tmp_path / "processes").read_text().splitlines()[-1])
        os.kill(first, signal.SIGKILL)
        assert process.wait() == 1
        assert "vLLM exited by itself, with exit status 137" in process.stderr.read()


def test_ctrl_c_while_it_starts_leaves_nothing_either(tmp_path: Path) -> None:
    ids = tmp_path / "processes"
    vllm = scripted_vllm(tmp_path, log=START, pause=60, processes=str(ids))
    words = ("serve", "vllm", str(model_folder(tmp_path)), "--executable", str(vllm), "--port", "0")
    pipe = subprocess.PIPE
    with subprocess.Popen([*WEAVER, *words], stdout=pipe, stderr=pipe, text=True) as process:
        assert within(20, lambda: ids.exists() and len(ids.read_text().splitlines()) == 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not any(is_alive(int(line)) for line in ids.read_text().splitlines())
