"""`weaver chat` without a terminal: turns, commands, the journal."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import Result

from tests.cli.conftest import SUM
from tests.cli.tape import a_result
from weaver_sdk.cli.chat.journal import load
from weaver_sdk.cli.report import print_timing
from weaver_sdk.result import Repair
from weaver_sdk.telemetry.timeline_file import read_trace

Weaver = Callable[..., Result]


@pytest.fixture
def chat(weaver: Weaver, base_url: str) -> Callable[..., Result]:
    def call(*lines: str, options: tuple[str, ...] = ()) -> Result:
        return weaver("chat", "--base-url", base_url, *options, input="\n".join(lines) + "\n")

    return call


Chat = Callable[..., Result]


def journals(home: Path) -> list[Path]:
    return sorted((home / "home" / "chats").glob("*.jsonl"))


def test_a_turn_shows_its_threads_its_answer_and_its_cost(chat: Chat) -> None:
    done = chat(SUM.problem)
    assert done.exit_code == 0, done.output
    assert "◆ fork 1 · 2 threads" in done.stdout
    assert "The sum is 5158." in done.stdout
    assert "self-parallelism" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_follow_up_knows_the_answers_and_not_the_reasoning(chat: Chat, tmp_path: Path) -> None:
    done = chat(SUM.problem, "Now take twice that number, please")
    assert "10316" in done.stdout
    conversation = load(journals(tmp_path)[0])
    assert conversation.history(keep_reasoning=False) == [
        {"role": "user", "content": SUM.problem},
        {"role": "assistant", "content": "The sum is \\boxed{5158}."},
        {"role": "user", "content": "Now take twice that number, please"},
        {"role": "assistant", "content": "\\boxed{10316}"},
    ]
    assert conversation.history(keep_reasoning=True)[1]["content"].startswith("<think>")


def test_both_modes_race(chat: Chat) -> None:
    done = chat("/mode both", SUM.problem)
    assert " 1 " in done.stdout
    assert "× as fast  → 5158" in done.stdout
    assert "sequential" in done.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/help", "/reasoning [show|fold|hide]"),
        ("/mode", "mode: parallel"),
        ("/mode sequential", "mode: sequential"),
        ("/mode sideways", "use parallel, sequential or both"),
        ("/budget", "budget: no limit"),
        ("/budget total=500 seconds=9", "budget: total_tokens=500 seconds=9.0"),
        ("/budget total=-1", "a limit is more than 0"),
        ("/budget total=many", "write NAME=NUMBER"),
        ("/budget colour=3", "no limit is called colour"),
        ("/budget off", "budget: no limit"),
        ("/reasoning hide", "reasoning: hide"),
        ("/reasoning loud", "use show, fold or hide"),
        ("/trace", "trace: off"),
        ("/last", "nothing was answered yet"),
        ("/retry", "nothing to ask again"),
        ("/clear", "a new conversation"),
        ("/save", "name a file"),
        ("/load", "name a file"),
        ("/load /no/such/file", "cannot read /no/such/file"),
        ("/nonsense", "no command /nonsense"),
        ("/h", "this list"),
    ],
)
def test_what_a_command_says(chat: Chat, line: str, says: str) -> None:
    done = chat(line)
    assert done.exit_code == 0
    assert says in done.stdout


def test_quit_leaves_at_once(chat: Chat) -> None:
    assert "5158" not in chat("/quit", SUM.problem).stdout


@pytest.mark.parametrize(
    ("reasoning", "folded", "prose"), [("show", True, True), ("fold", True, False), ("hide", False, False)]
)
def test_reasoning_is_shown_folded_or_hidden(chat: Chat, reasoning: str, folded: bool, prose: bool) -> None:
    out = chat(SUM.problem, options=("--reasoning", reasoning)).stdout
    assert ("◆ fork 1" in out) is folded
    assert ("Two products." in out) is prose
    assert "The sum is 5158." in out


def test_last_shows_the_whole_text(chat: Chat) -> None:
    out = chat(SUM.problem, "/last", options=("--reasoning", "hide")).stdout
    assert "<Thread>\n1: 47*86 = 4042\n</Thread>" in out


def test_retry_takes_the_answer_back_and_asks_again(chat: Chat, tmp_path: Path) -> None:
    done = chat(SUM.problem, "/retry")
    assert done.stdout.count("The sum is 5158.") == 2
    assert len(load(journals(tmp_path)[0]).turns) == 1


def test_save_clear_and_load(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "saved.jsonl"
    done = chat(
        SUM.problem, f"/save {file}", "/clear", "/last", f"/load {file}", "Now take twice that number, please"
    )
    assert "saved: 1 turns" in done.stdout
    assert "nothing was answered yet" in done.stdout
    assert "loaded: 1 turns" in done.stdout
    assert len(load(journals(tmp_path)[0]).turns) == 2


def test_a_trace_holds_every_turn(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    chat(f"/trace {file}", SUM.problem, "Now take twice that number, please", "/trace off", "Twice that")
    assert [run[0].kind for run in read_trace(file).runs] == ["run_started", "run_started"]


def test_resume_takes_the_last_conversation_up(chat: Chat, tmp_path: Path) -> None:
    chat(SUM.problem)
    done = chat("Now take twice that number, please", options=("--resume",))
    assert f"› {SUM.problem}" in done.stdout
    assert "10316" in done.stdout
    assert len(journals(tmp_path)) == 1
    assert len(load(journals(tmp_path)[0]).turns) == 2


def test_a_question_that_a_crash_cut_off_can_be_asked_again(chat: Chat, tmp_path: Path) -> None:
    chat("/help")
    chat(SUM.problem)
    journal = journals(tmp_path)[-1]
    with journal.open("a") as out:
        out.write(
            json.dumps({"question": "Now take twice that number, please"}) + "\n" + '{"turn": {"quest'
        )  # the power went
    done = chat("/retry", options=("--resume",))
    assert "not answered: /retry asks it again" in done.stdout
    assert "10316" in done.stdout


def test_there_is_nothing_to_resume_at_first(chat: Chat) -> None:
    done = chat(options=("--resume",))
    assert done.exit_code == 2
    assert "no conversation to resume" in done.stderr


def test_an_error_does_not_end_the_conversation(chat: Chat) -> None:
    done = chat("a question that the server refuses", SUM.problem)
    assert "responded 400" in done.stdout
    assert "The sum is 5158." in done.stdout


def test_a_file_that_is_no_conversation_is_told(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"turn": {}}\n{"what": 1}\n')
    assert "x.jsonl, line 1: not a line of a conversation" in chat(f"/load {file}").stdout


def test_the_journal_is_private(chat: Chat, tmp_path: Path) -> None:
    chat(SUM.problem)
    assert journals(tmp_path)[0].stat().st_mode & 0o077 == 0


def test_the_packaged_model_takes_each_question_by_itself(weaver: Weaver) -> None:
    done = weaver("chat", "--local", input="Compute 47*86 + 93*12\nCompute 12*7 + 35*4\n")
    assert done.exit_code == 0, done.output
    assert "takes each question by itself" in done.stdout
    assert "/model smollm2" in done.stdout
    assert "851500 is 5158" in done.stdout
    assert "5158" in done.stdout
    assert "224" in done.stdout


def test_the_packaged_model_is_not_asked_what_it_cannot_answer(weaver: Weaver, tmp_path: Path) -> None:
    done = weaver("chat", "--local", input="Who are you?\nCompute 47*86 + 93*12\n")
    assert done.exit_code == 0, done.output
    assert "cannot answer this: it is no arithmetic in a form" in done.stdout
    assert "5158" in done.stdout
    assert "Who are you?" not in "".join(file.read_text() for file in journals(tmp_path))


def test_what_was_mended_outside_threads_is_told_below_the_answer() -> None:
    told = Console(file=io.StringIO(), width=100)
    mended = [
        Repair(kind="unreadable_outlines", done="no outline could be read"),
        Repair(kind="thread_empty", done="joined as it is", fork=1, thread=2),
    ]
    print_timing(a_result(repairs=mended), told)
    assert isinstance(told.file, io.StringIO)
    assert told.file.getvalue().splitlines()[-1] == (
        "repaired: unreadable outlines: no outline could be read"
    )
