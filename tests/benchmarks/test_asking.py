"""What the whole-answer benchmark promises about asking, counting and keeping, on scripted servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from benchmarks.answers import __main__ as command
from benchmarks.answers.asking import ask_all
from benchmarks.answers.gather import outline_and_gather
from benchmarks.answers.questions import QUESTIONS
from benchmarks.answers.report import report, side_by_side
from benchmarks.answers.row import Answered, Record, Row, load
from benchmarks.answers.streams import side_by_side_speeds
from benchmarks.answers.ways import Server, Way
from tests.benchmarks.written import GOOD
from weaver_sdk import ParallelReasoner, Sampling
from weaver_sdk.testing import Chat, ScriptedServer

BY_ID = {question.id: question for question in QUESTIONS}
DATABASES, CAPITAL = BY_ID["databases"], BY_ID["capital"]


def writer(prompt: str) -> str:
    """Divides the comparison, and nothing else."""
    if "JSON list of short section titles" in prompt:
        return json.dumps(["SQLite", "PostgreSQL", "MySQL"] if DATABASES.text in prompt else [])
    for name in ("SQLite", "PostgreSQL", "MySQL"):
        if f'only the section "{name}"' in prompt:
            return f"About {name}."
    return "Canberra."


def scripted() -> ScriptedServer:
    return ScriptedServer(writer, chat=Chat())


def client_of(server: ScriptedServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0)


def way_that_says(text: str, asked: list[str], name: str) -> Way:
    async def way(question: str, on_text: Callable[[str], None]) -> Answered:
        asked.append(name)
        on_text(text)
        return Answered(text=text, tokens=10, critical_tokens=4)

    return way


async def test_gather_puts_the_sections_together_in_the_order_of_the_outline() -> None:
    seen: list[str] = []
    async with scripted() as server, client_of(server) as client:
        answered = await outline_and_gather(client, server.name, DATABASES.text, 50, seen.append)
    assert answered.text == (
        "## SQLite\n\nAbout SQLite.\n\n## PostgreSQL\n\nAbout PostgreSQL.\n\n## MySQL\n\nAbout MySQL."
    )
    assert answered.threads == 3
    assert answered.critical_tokens < answered.tokens
    assert "".join(seen) == "About SQLite."


async def test_gather_asks_the_question_as_it_is_where_there_is_no_outline() -> None:
    seen: list[str] = []
    async with scripted() as server, client_of(server) as client:
        answered = await outline_and_gather(client, server.name, CAPITAL.text, 50, seen.append)
    assert (answered.text, answered.threads) == ("Canberra.", 0)
    assert answered.critical_tokens == answered.tokens
    assert "".join(seen) == "Canberra."


async def test_gather_counts_what_the_token_limit_cut() -> None:
    async with scripted() as server, client_of(server) as client:
        answered = await outline_and_gather(client, server.name, DATABASES.text, 1, lambda _: None)
    assert answered.at_limit == 3


async def test_bare_is_one_request_that_is_shown_no_examples() -> None:
    seen: list[str] = []
    async with scripted() as server, client_of(server) as client:
        reasoner = ParallelReasoner(
            server.name, base_url=server.base_url, api="chat", sampling=Sampling(temperature=0.0)
        )
        async with reasoner:
            before = len(server.log)
            answered = await Server(server.name, reasoner, client, 50).way("bare")(CAPITAL.text, seen.append)
        bodies = [received.body for received in server.log[before:]]
    ((only,),) = [body["messages"] for body in bodies]
    assert only["content"].startswith(CAPITAL.text)
    assert (answered.text, answered.threads) == ("Canberra.", 0)
    assert answered.tokens == answered.critical_tokens > 0
    assert "".join(seen) == "Canberra."


async def test_the_streams_of_a_server_are_asked_at_once() -> None:
    async with (
        ScriptedServer(lambda _: "one two three", pace=0.002, chat=Chat()) as server,
        client_of(server) as client,
    ):
        speeds = await side_by_side_speeds(client, server.name, (1, 4), rounds=2)
        assert len(server.log) == 1 + 2 * (1 + 4)
    assert set(speeds) == {"1", "4"}
    assert min(speeds.values()) > 0


async def test_the_ways_take_turns_and_another_begins_each_time() -> None:
    asked: list[str] = []
    ways = {name: way_that_says("Canberra.", asked, name) for name in ("bare", "weaver")}
    record = Record(model="m", max_tokens=50)
    await ask_all(ways, [DATABASES, CAPITAL], record, 1, lambda _: None)
    warm_up, turns = asked[:2], asked[2:]
    assert warm_up == ["bare", "weaver"]
    assert turns == ["bare", "weaver", "weaver", "bare"]
    assert all(row.seconds is not None and row.first_text is not None for row in record.rows)


async def test_what_the_file_holds_is_not_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []
    path = tmp_path / "rows.json"
    record = Record(model="m", max_tokens=50)
    ways = {"bare": way_that_says("Canberra – it is.", asked, "bare")}
    await ask_all(ways, [CAPITAL], record, 2, lambda _: record.save(path))
    again = load(path)
    assert again == record
    await ask_all(ways, [CAPITAL, DATABASES], again, 2, lambda _: None)
    assert [row.question for row in again.rows] == ["capital", "databases"]
    assert asked == ["bare", "bare"]


async def test_no_clock_runs_where_several_questions_are_asked_at_once() -> None:
    record = Record(model="m", max_tokens=50)
    ways = {"bare": way_that_says("Canberra.", [], "bare")}
    await ask_all(ways, [CAPITAL, DATABASES], record, 2, lambda _: None)
    assert {(row.seconds, row.first_text) for row in record.rows} == {(None, None)}
    assert "wall" not in report(record, QUESTIONS)


def row(
    way: str, text: str, *, seconds: float, critical: int, threads: int = 0, why: str | None = None
) -> Row:
    answered = Answered(text=text, tokens=200, critical_tokens=critical, threads=threads, no_fork_reason=why)
    return Row(question="databases", way=way, answered=answered, seconds=seconds, first_text=1.0, load=2.0)


def test_the_summary_compares_each_way_with_the_bare_question() -> None:
    rows = [
        row("bare", GOOD["databases"], seconds=8.0, critical=200, why="sequential_mode"),
        row("weaver", GOOD["databases, by criteria"], seconds=4.0, critical=80, threads=3),
        row("gather", "## SQLite\n\n## MySQL\n", seconds=2.0, critical=50, threads=2),
        row("auto", GOOD["databases"], seconds=8.0, critical=200, why="not_divided"),
    ]
    told = report(Record(model="m", max_tokens=50, streams={"1": 10.0, "4": 31.0}, rows=rows), QUESTIONS)
    assert "the server gains 3.1×" in told
    assert (
        "| 3 or more parts | weaver | 1 | 2.00 | 1.00 | 0.40 | 0.79 | 3 of 3 | 1 of 1 | 0 | 0 | 1 of 1 |"
        in told
    )
    assert "| 3 or more parts | gather | 1 | 4.00 | 1.00 | 0.25 | 0.02 | 0 of 3 | 0 of 1 |" in told
    assert "| databases | bare | 8.0 | 1.0 | 200 | 200 |" in told
    assert "(no SQLite, PostgreSQL, MySQL)" in told
    assert "sequential_mode" not in told, "bare means that"
    assert "| not_divided |" in told


def test_the_answers_to_a_question_stand_side_by_side_whole() -> None:
    rows = [
        row("bare", GOOD["databases"], seconds=8.0, critical=200),
        row("gather", "", seconds=2.0, critical=50),
    ]
    shown = side_by_side(Record(model="m", max_tokens=50, rows=rows), DATABASES)
    assert shown.startswith(f"# {DATABASES.text}\n")
    assert GOOD["databases"] in shown
    assert "**gather**: 0 of 3 parts; missing: SQLite, PostgreSQL, MySQL" in shown


def test_the_command_renders_the_report_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    record = Record(
        model="m", max_tokens=50, rows=[row("bare", GOOD["databases"], seconds=8.0, critical=200)]
    )
    record.save(path)
    monkeypatch.setattr("sys.argv", ["answers", "--report", str(path), "--only", "databases,capital"])
    command.main()
    assert "| databases | bare |" in capsys.readouterr().out


def test_a_file_of_another_model_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.json"
    Record(model="other", max_tokens=1024).save(path)
    monkeypatch.setattr(
        "sys.argv", ["answers", "--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--out", str(path)]
    )
    with pytest.raises(SystemExit, match="holds answers of other"):
        command.main()


def test_an_unknown_question_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"no question 'rome2': use some of databases"):
        command.chosen("rome2")
