"""`weaver solve`: what goes where, and the exit codes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli.conftest import SUM
from weaver_sdk.cli import server as server_choice
from weaver_sdk.events import load_event
from weaver_sdk.testing import Chat, Script, ScriptedServer, spawned_server

Weaver = Callable[..., Result]


def test_the_answer_alone_goes_to_stdout(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "5158\n"
    assert "◆ fork 1 · 2 threads" in done.stderr
    assert "4042 + 1116 = 5158" in done.stderr
    assert "self-parallelism" in done.stderr
    assert "\x1b" not in done.stderr


def test_json_is_one_line_on_stdout(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url, "--json")
    result = json.loads(done.stdout)
    assert (result["answer"], result["telemetry"]["threads"]) == ("5158", 2)


def test_quiet_is_quiet(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url, "--quiet")
    assert (done.stdout, done.stderr) == ("5158\n", "")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_problem_may_come_from_standard_input(
    weaver: Weaver, base_url: str, arguments: tuple[str, ...]
) -> None:
    done = weaver("solve", *arguments, "--base-url", base_url, "-q", input=SUM.problem + "\n")
    assert done.stdout == "5158\n"


def test_sequential_mode_opens_no_block(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url, "--mode", "sequential", "--json")
    result = json.loads(done.stdout)
    assert (result["answer"], result["telemetry"]["forks"]) == ("5158", 0)


def test_the_trace_holds_every_event(weaver: Weaver, base_url: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    weaver("solve", SUM.problem, "--base-url", base_url, "--trace", str(file))
    events = [load_event(line) for line in file.read_text().splitlines()]
    assert events[0].kind == "run_started"
    assert events[-1].kind == "run_finished"


def test_a_budget_reaches_the_run(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url, "--max-depth", "0", "--json")
    assert json.loads(done.stdout)["telemetry"]["forks"] == 0


def test_no_answer_is_a_failure(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", "Say nothing", "--base-url", base_url)
    assert done.exit_code == 1
    assert "without an answer" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("solve", "x", "--base-url", "http://127.0.0.1:9/v1"), 1, "is the server running"),
        (("solve", "x", "--base-url", "http://127.0.0.1:9/v1", "--total-tokens", "-5"), 2, "more than 0"),
        (("solve", "x", "--base-url", "http://127.0.0.1:9/v1", "--dialect", "klingon"), 2, "unknown dialect"),
        (("solve", "x", "--mode", "sideways"), 2, "parallel or sequential"),
        (("solve", "x", "--base-url", "http://127.0.0.1:9/v1", "--strategy", "hope"), 2, "unknown strategy"),
        (("solve", "x", "--base-url", "http://127.0.0.1:9/v1", "--api", "fax"), 2, '"completions" or "chat"'),
        (("solve", "x", "--local", "--base-url", "http://h/v1"), 2, "leave --base-url"),
        (("solve", "x", "--local", "--api", "chat"), 2, "--api"),
        (("solve", "x", "--api", "chat"), 2, "--base-url"),
        (("solve", "x", "--local", "--model", "no-such-file.gguf"), 2, "there is no file"),
        (("solve", "x", "--model", "gpt-5"), 2, "--base-url"),
        (("solve", "  "), 2, "empty"),
        (("solve", "x", "--no-such-option"), 2, "no-such-option"),
        (
            ("solve", "x", "--base-url", "http://127.0.0.1:9/v1", "--trace", "/no/such/folder/t"),
            2,
            "cannot write",
        ),
    ],
)
def test_bad_use_is_told_in_one_line(
    weaver: Weaver, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = weaver(*arguments)
    assert done.exit_code == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_server_and_engine_it_says_what_to_do(
    weaver: Weaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_choice, "find_spec", lambda name: None)
    done = weaver("solve", "x")
    assert done.exit_code == 2
    assert "weaver-sdk[local]" in done.stderr


def test_the_settings_file_names_the_server(weaver: Weaver, base_url: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'base_url = "{base_url}"\nmodel = "threadweaver-scripted"\n')
    assert weaver("solve", SUM.problem, "-q").stdout == "5158\n"


@pytest.mark.parametrize(
    ("api", "path"),
    [("chat", "/v1/chat/completions"), ("completions", "/v1/completions"), ("auto", "/v1/completions")],
)
@pytest.mark.parametrize("where", ["flag", "settings"])
async def test_the_endpoint_that_is_named_is_asked(tmp_path: Path, api: str, path: str, where: str) -> None:
    settings = tmp_path / "config.toml"
    async with ScriptedServer(Script((SUM,)), chat=Chat()) as server:
        named = f'api = "{api}"' if where == "settings" else ""
        settings.write_text(f'base_url = "{server.base_url}"\n{named}\n')
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from weaver_sdk.cli import main; main()", "solve", SUM.problem, "-q"),
            *(("--api", api) if where == "flag" else ()),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"WEAVER_HOME": str(tmp_path), "WEAVER_CONFIG": str(settings)},
        )
        out, _ = await process.communicate()
    assert out == b"5158\n"
    assert {request.path for request in server.completions} == {path}


@pytest.mark.parametrize("text", ["base_url = 3\n", "nonsense = 1\n", "not toml"])
def test_a_bad_settings_file_is_told(weaver: Weaver, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    done = weaver("solve", "x")
    assert done.exit_code == 2
    assert "config.toml" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_ctrl_c_keeps_the_text_and_leaves_no_request(arguments: list[str], tmp_path: Path) -> None:
    with spawned_server(Script((SUM,)), pace=0.03) as server:
        command = [sys.executable, "-c", "from weaver_sdk.cli import main; main()", "solve", SUM.problem]
        environment = os.environ | {"WEAVER_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            [*command, "--base-url", server.base_url, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "Two products." in line:
                    break
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in stderr
        assert "stopped" in stderr
        text = json.loads(stdout)["text"] if arguments else stdout
        assert "Two products." in text
        assert "\\boxed" not in text
        counts = server.counts()
        assert counts["started"] == counts["finished"] + counts["aborted"]


STRATEGY = """
async def run(scope):
    await scope.ask("Now take twice that number, please", phase="plan", keep=False)
    await scope.fork(["a", "b"], part, join=lambda threads: "Two parts:", phase="answer")
    await scope.ask("Now take twice that number, please", phase="reasoning", keep=False)
    scope.write(" they are **done**.")

async def part(scope, item):
    scope.write(f"part {item}")
"""


def test_the_answer_of_a_strategy_of_ones_own_is_printed_once(
    weaver: Weaver, base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_my_own.py").write_text(STRATEGY)
    monkeypatch.syspath_prepend(str(tmp_path))
    done = weaver("solve", "x", "--base-url", base_url, "--strategy", "of_my_own:run")
    assert done.stdout == "Two parts: they are **done**.\n"
    assert done.stderr.splitlines()[0].startswith("◆ fork 1 · 2 threads")
    assert "Two parts" not in done.stderr
    assert "Easy." not in done.stderr


def test_the_cost_is_printed_once(weaver: Weaver, base_url: str) -> None:
    done = weaver("solve", SUM.problem, "--base-url", base_url)
    rows = [line.split("  ")[0] for line in done.stderr.splitlines()]
    for figure in ("wall clock", "critical path", "self-parallelism", "tokens", "requests"):
        assert rows.count(figure) == 1
    assert " wall · " not in done.stderr


def test_on_a_terminal_the_answer_stands_once(
    weaver: Weaver, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weaver_sdk.cli.consoles.is_screen", lambda console: True)
    done = weaver("solve", SUM.problem, "--base-url", base_url, "--plain")
    assert done.stdout.count("The sum is") == 1
    assert done.stdout.count("Two products.") == 1


IN_STEPS = """
import asyncio, sys

async def run(scope):
    scope.write("\\n First,")
    await asyncio.to_thread(sys.stdin.readline)
    scope.write(" second. \\n")
    await scope.fork(["a"], part, join="")

async def part(scope, item):
    scope.write("in a thread")
"""


def solving_in_steps(
    tmp_path: Path, base_url: str, *arguments: str, stderr: int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    (tmp_path / "in_steps.py").write_text(IN_STEPS)
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "from weaver_sdk.cli import main; main()", "solve", "x"),
            *("--base-url", base_url, "--strategy", "in_steps:run", *arguments),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=os.environ
        | {"WEAVER_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        text=True,
    )


def test_in_a_pipe_the_answer_comes_as_it_is_written(tmp_path: Path, base_url: str) -> None:
    with solving_in_steps(tmp_path, base_url) as process:
        assert process.stdout is not None
        assert process.stdout.read(6) == "First,"  # the program writes on only when it is let
        out, err = process.communicate("\n")
    assert out == " second.\n"
    assert "fork 1" in err
    assert "First" not in err
    assert process.returncode == 0


def test_where_both_streams_are_one_nothing_stands_inside_the_answer(tmp_path: Path, base_url: str) -> None:
    with solving_in_steps(tmp_path, base_url, stderr=subprocess.STDOUT) as process:
        out, _ = process.communicate("\n")
    assert out.startswith("First, second.\n◆ fork 1")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path, base_url: str) -> None:
    with solving_in_steps(tmp_path, base_url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.read(6)
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert err == ""


@pytest.mark.parametrize("arguments", [(), ("-q",), ("--mode", "sequential")])
def test_the_streamed_answer_is_the_one_of_the_result(
    weaver: Weaver, base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "streamed.py").write_text(STRATEGY)
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = ("solve", SUM.problem, "--base-url", base_url, "--strategy", "streamed:run", *arguments)
    assert weaver(*asked).stdout == json.loads(weaver(*asked, "--json").stdout)["answer"] + "\n"
