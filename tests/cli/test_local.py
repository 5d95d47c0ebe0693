"""The embedded engine on the command line: which model, and what the packaged one will not be asked."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from typer.testing import Result

from tests.engines.watching import answers, left_in, within
from weaver_sdk.cli.local import with_model_named
from weaver_sdk.models import nano

Weaver = Callable[..., Result]
WEAVER = (sys.executable, "-c", "from weaver_sdk.cli import main; main()")
REVERSED = "the packaged model writes a sum from its last digit to its first: 851500 is 5158\n"


@pytest.mark.parametrize(
    ("question", "why"),
    [("What is the capital of France?", "no arithmetic in a form"), ("Compute 123*456 + 7*8", "123*456")],
)
@pytest.mark.parametrize("local", [("--local",), ()])
def test_the_packaged_model_gives_no_wrong_answer(
    weaver: Weaver, question: str, why: str, local: tuple[str, ...]
) -> None:
    done = weaver("solve", *local, "--quiet", question)
    assert (done.exit_code, done.stdout) == (1, "")
    assert why in done.stderr
    assert "--local smollm2" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_answer_of_the_packaged_model_has_a_line_that_explains_its_digits(weaver: Weaver) -> None:
    done = weaver("solve", "--local", "Compute 47*86 + 93*12")
    assert done.stdout == "5158\n"
    assert "=851500\n" in done.stderr
    assert done.stderr.count(REVERSED) == 1


def test_another_model_and_a_quiet_run_have_no_such_line(weaver: Weaver) -> None:
    assert REVERSED not in weaver("solve", "--local", str(nano()), "Compute 47*86").stderr
    assert weaver("solve", "--local", "-q", "Compute 47*86").stderr == ""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--local", "smollm2", "Why?"], ["--local", "--model", "smollm2", "Why?"]),
        (["--local", "hf:me/one:a.gguf"], ["--local", "--model", "hf:me/one:a.gguf"]),
        (["Why?", "--local", "~/models/A.GGUF"], ["Why?", "--local", "--model", "~/models/A.GGUF"]),
        (["--local", "Compute 2+2"], ["--local", "Compute 2+2"]),
        (["--local", "What is in a.gguf"], ["--local", "What is in a.gguf"]),
        (["--local", "-q", "smollm2"], ["--local", "-q", "smollm2"]),
        (["--", "--local", "smollm2"], ["--", "--local", "smollm2"]),
        (["--local"], ["--local"]),
    ],
)
def test_what_follows_local_is_a_model_if_it_names_one(given: list[str], meant: list[str]) -> None:
    assert with_model_named(given) == meant


def test_a_context_too_short_for_the_question_comes_from_the_flag(weaver: Weaver) -> None:
    question = "Compute 47*86 + 93*12 + 58*31 + 64*27"
    assert weaver("solve", "--local", "-q", "--context-tokens", "4096", question).stdout == "8684\n"
    done = weaver("solve", "--local", "-q", "--context-tokens", "256", question)
    assert done.stdout != "8684\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--base-url", "http://127.0.0.1:9/v1", "--context-tokens", "99"),
            "--context-tokens is for --local",
        ),
        (("--local", "--model", "nowhere"), "there is no file nowhere"),
        (("--local", "hf:nowhere"), "hf:OWNER/REPO"),
    ],
)
def test_wrong_use_is_told(weaver: Weaver, arguments: tuple[str, ...], says: str) -> None:
    done = weaver("solve", "Compute 2+2", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_server_serves_until_it_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = ("serve", "local", "--port", "0", "--slots", "3", "--context-tokens", "512")
    pipe = subprocess.PIPE
    as_usual = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background ignores it
    with subprocess.Popen(
        [*WEAVER, *words], stdout=pipe, stderr=pipe, text=True, preexec_fn=as_usual
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = [process.stdout.readline() for _ in range(3)]
        base_url = told[2].split()[-1]
        assert told[0] == (f"weaver-nano is served at {base_url} (3 slots of 512 tokens; Ctrl-C ends it)\n")
        assert Path(told[1].removeprefix("log: ").strip()).is_file()
        assert base_url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{base_url}/models").json()["data"][0]["id"] == "weaver-nano"
        process.send_signal(number)
        assert process.wait() == code
        assert "Traceback" not in process.stderr.read()
    assert within(10, lambda: not answers(base_url) and left_in(tmp_path) == [])


def test_a_server_that_ends_by_itself_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pipe = subprocess.PIPE
    words = ("serve", "local", str(nano()), "--port", "0")
    with subprocess.Popen([*WEAVER, *words], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "served at" in process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        subprocess.run(["kill", "-KILL", *children], check=True)
        assert process.wait() == 1
        assert "the engine exited by itself, with exit status -9" in process.stderr.read()


def test_a_file_that_is_no_model_is_told(weaver: Weaver, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_text("text")
    done = weaver("serve", "local", str(tmp_path / "a.gguf"))
    assert done.exit_code == 1
    assert "is not a GGUF file" in done.stderr
