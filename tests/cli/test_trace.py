"""`weaver trace show`: a recorded run in the terminal, on a page, for a trace viewer."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from tests.cli.tape import Tape, two_threads

Weaver = Callable[..., Result]


def recorded(tmp_path: Path, text: str | None = None) -> str:
    file = tmp_path / "run.jsonl"
    if text is None:
        text = two_threads().ends(2, tokens=9).joins().says("\nso 5158").finish(repairs=[]).lines()
    file.write_text(text)
    return str(file)


def test_the_lanes_of_a_run(weaver: Weaver, tmp_path: Path) -> None:
    done = weaver("trace", "show", recorded(tmp_path))
    assert done.exit_code == 0
    assert "Compute 47*86." in done.stdout
    assert "answer: 5158" in done.stdout
    assert "self-parallelism" in done.stdout


def test_a_page_and_a_perfetto_file(weaver: Weaver, tmp_path: Path) -> None:
    page, trace = tmp_path / "p.html", tmp_path / "p.json"
    done = weaver("trace", "show", recorded(tmp_path), "--html", str(page), "--perfetto", str(trace))
    assert done.exit_code == 0
    assert done.stdout == ""
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(trace.read_text())["traceEvents"]


def test_a_run_that_broke_off_is_shown_and_said_so(weaver: Weaver, tmp_path: Path) -> None:
    text = two_threads().lines()
    done = weaver("trace", "show", recorded(tmp_path, text[:-40]))
    assert done.exit_code == 0
    assert "are no events and were left out" in done.stderr.replace("\n", " ")
    assert "the end of 1 of 1 runs is missing" in done.stderr.replace("\n", " ")
    assert "✗ 2 Compute 93*12. (not ended)" in done.stdout


def test_what_is_no_trace_is_told_in_one_line(weaver: Weaver, tmp_path: Path) -> None:
    for text in ("", "nonsense\n", '{"kind": "run_started"}\n', "\0\0"):
        done = weaver("trace", "show", recorded(tmp_path, text))
        assert done.exit_code == 2
        assert "holds no events" in done.stderr
    done = weaver("trace", "show", str(tmp_path / "missing.jsonl"))
    assert done.exit_code == 2
    assert "cannot read" in done.stderr


def test_a_page_that_cannot_be_written_is_told(weaver: Weaver, tmp_path: Path) -> None:
    done = weaver("trace", "show", recorded(tmp_path), "--html", "/no/such/folder/p.html")
    assert done.exit_code == 2
    assert "cannot write" in done.stderr


def test_what_a_thread_does_between_two_requests_is_a_gap(weaver: Weaver, tmp_path: Path) -> None:
    tape = Tape().start().fork("a").send(1).asks(1, thread=1).writes(1, "x", after=0.0)
    tape.at = 1.0
    tape.hears(1)
    tape.at = 3.0
    tape.asks(2, thread=1).writes(1, "y", after=0.0)
    tape.at = 4.0
    done = weaver("trace", "show", recorded(tmp_path, tape.hears(2).ends(1).joins().finish().lines()))
    [row] = [line for line in done.stdout.splitlines() if "✓ 1 a" in line]
    bar = row.removeprefix(" ✓ 1 a").split("4.00 s")[0].strip()
    assert bar.strip("█").isspace()
    assert abs(bar.count("█") - bar.count(" ")) <= 2
