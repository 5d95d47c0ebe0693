"""What the log of a starting vLLM tells: how far it is, and why it failed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engines.vllm.logs import FAILURES, START
from weaver_sdk.engines.vllm.failure import explain
from weaver_sdk.engines.vllm.progress import StartLog


def test_the_phases_come_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("")
    log = StartLog(file)
    seen = [log.look(0.0)]
    with file.open("a") as out:
        for line in START:
            out.write(line + ("\r" if "shards" in line else "\n"))
            out.flush()
            seen.append(log.look(1.0))
    phases = [progress.phase for progress in seen]
    assert list(dict.fromkeys(phases)) == [
        "importing",
        "reading the model",
        "starting the engine",
        "loading weights",
        "warming up",
        "trying it",
    ]
    assert [p.percent for p in seen if p.phase == "loading weights"] == [None, 0, 50]
    assert [p.percent for p in seen if p.phase != "loading weights"] == [None] * 7
    assert log.at("ready", 9.0).phase == "ready"
    assert log.look(10.0).phase == "ready"  # it never goes back


def test_a_line_that_comes_in_pieces_is_read_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("(Worker) Starting to lo")
    log = StartLog(file)
    assert log.look(0.0).phase == "importing"
    with file.open("a") as out:
        out.write("ad model ä\n")
    assert log.look(0.0).phase == "loading weights"


def test_what_was_in_the_file_before_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("Starting vLLM server\n")
    log = StartLog(file, file.stat().st_size)
    assert log.look(0.0).phase == "importing"
    assert log.lines() == []


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_becomes_one_line_that_says_what_to_do(failure: str) -> None:
    lines, said = FAILURES[failure]
    told = explain([*START, *lines], status=1, model="MODEL")
    assert told is not None
    assert said in told
    assert "\n" not in told
    assert not re.search(r"\{(\d|model)", told)  # every place is filled


def test_a_server_that_was_killed() -> None:
    assert "it was killed" in (explain(START, status=137, model="m") or "")


def test_a_log_that_tells_nothing() -> None:
    assert explain(START, status=1, model="m") is None
