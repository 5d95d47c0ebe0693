"""The trace file: what is written is read again, whatever happened in between."""

from pathlib import Path

import pytest

from tests.cli.tape import two_threads
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.telemetry.timeline_file import read_trace, recording


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    events = two_threads().ends(2).joins().finish().events
    with recording(file) as record:
        for event in events:
            record(event)
    read = read_trace(file)
    assert read.runs == [events]
    assert read.broken_off == []


def test_events_are_in_the_file_when_the_run_dies(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    with pytest.raises(RuntimeError), recording(file) as record:
        for event in two_threads().events:
            record(event)
        raise RuntimeError
    read = read_trace(file)
    assert len(read.runs[0]) == len(two_threads().events)
    assert read.broken_off == ["run"]


def test_a_line_cut_in_the_middle_is_left_out_and_named(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(two_threads().lines()[:-25])
    assert read_trace(file).unreadable == [len(two_threads().events)]


def test_without_a_file_nothing_is_recorded() -> None:
    with recording(None) as record:
        record(two_threads().events[0])


def test_runs_are_appended_where_that_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    for append in (False, True, False):
        with recording(file, append=append) as record:
            record(two_threads().events[0])
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "no json\n", "{}\n"])
def test_a_file_without_events_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="holds no events"):
        read_trace(file)
