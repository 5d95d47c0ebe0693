"""What a lane says for each sequence of events."""

import pytest

from tests.cli.tape import Tape, a_result, two_threads
from weaver_sdk.cli.lanes import Folded, Passage
from weaver_sdk.result import Outcome, RepairKind


def test_a_thread_waits_runs_and_is_done() -> None:
    tape = Tape().start().fork("a")
    lane = tape.board().blocks[1].lanes[0]
    assert lane.state == "waiting"
    lane = tape.send(1).board().blocks[1].lanes[0]
    assert lane.state == "running"
    lane = tape.writes(1, " x").ends(1, tokens=7).board().blocks[1].lanes[0]
    assert (lane.state, lane.tokens, lane.text) == ("done", 7, " x")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("done", "done"),
        ("eos", "repaired"),
        ("empty", "repaired"),
        ("length", "cut"),
        ("error", "cut"),
        ("timeout", "cut"),
        ("cancelled", "cut"),
    ],
)
def test_the_outcome_decides_the_state(outcome: Outcome, state: str) -> None:
    tape = Tape().start().fork("a").send(1).writes(1, "x").ends(1, outcome)
    assert tape.board().blocks[1].lanes[0].state == state


@pytest.mark.parametrize(
    ("kind", "state"), [("thread_opened_block", "repaired"), ("thread_wrote_answer", "done")]
)
def test_a_mended_thread_says_so(kind: RepairKind, state: str) -> None:
    tape = Tape().start().fork("a").send(1).writes(1, "x").mends(kind, "closed", thread=1).ends(1)
    assert tape.board().blocks[1].lanes[0].state == state


def test_tokens_are_counted_in_pieces_and_then_as_the_runtime_says() -> None:
    tape = Tape().start().says("a").fork("a").send(1).writes(1, "x").writes(1, "y")
    assert tape.board().tokens == 3
    assert tape.ends(1, tokens=20).board().tokens == 21
    assert tape.finish().board().tokens == 100


def test_the_rate_is_tokens_since_the_first_one() -> None:
    tape = Tape().start().fork("a").send(1).writes(1, "x", after=5.0).writes(1, "y", after=1.0)
    lane = tape.board().blocks[1].lanes[0]
    assert lane.rate(now=6.0) == pytest.approx(2.0)
    assert lane.seconds(now=6.0) == pytest.approx(6.0)


def test_what_is_over_is_settled_in_order() -> None:
    tape = two_threads().ends(2, tokens=9).joins().says("\n</Parallel>\nThe sum is 5158.\n").finish()
    assert tape.board().settled == [
        Passage("We add the two products.\n"),
        Folded(1),
        Passage("The sum is 5158.\n"),
    ]


def test_the_lanes_of_a_nested_block_stand_behind_the_thread_that_opened_it() -> None:
    tape = Tape().start().fork("a", "b").send(1, 2)
    tape.fork("inner", fork=2, parent=(1, 1)).send(1, fork=2)
    board = tape.board()
    outlines = [lane.outline for lane in board.lanes_of(board.blocks[1])]
    assert outlines == ["a", "inner", "b"]
    board = tape.ends(1, fork=2).joins(2, parent=(1, 1)).board()
    assert board.settled == []  # it folds with the block around it


def test_a_run_that_is_left_settles_what_there_is() -> None:
    board = two_threads().board()
    board.finish(None)
    assert board.blocks[1].lanes[1].state == "cut"
    assert board.settled[-1] == Folded(1)
    assert not board.open_blocks


def test_a_result_after_an_early_leave_is_kept() -> None:
    board = two_threads().board()
    board.finish(a_result(finish="cancelled"))
    assert board.result is not None
    assert board.tokens == 100


def test_a_retry_is_told() -> None:
    board = Tape().start().fork("a").send(1).retries("429 too many", fork=1, thread=1).board()
    assert board.blocks[1].lanes[0].retrying
    assert board.notes == ["429 too many; attempt 2 in 0.5 s"]


def test_events_of_threads_that_do_not_exist_are_passed_over() -> None:
    Tape().start().writes(3, "x").fork("a").writes(3, "x").ends(9).mends(
        "thread_empty", "x", thread=5
    ).board()


def test_reasoning_beside_the_text_is_shown_before_it() -> None:
    board = (
        Tape()
        .start()
        .reasons("Let me ")
        .reasons("see.\nTwo ")
        .reasons("parts")
        .says("<think>\nSo.\n")
        .board()
    )
    assert board.settled == [Passage("Let me see.\n"), Passage("Two parts\nSo.\n")]
    lane = (
        Tape().start().fork("a").send(1).reasons("Hm: ", thread=1).writes(1, "x").board().blocks[1].lanes[0]
    )
    assert lane.text == "Hm: x"


def test_reasoning_of_a_run_that_wrote_no_text_is_not_lost() -> None:
    board = Tape().start().reasons("Let me see").board()
    board.finish(None)
    assert board.settled == [Passage("Let me see\n")]


def test_a_lane_shows_neither_plans_nor_questions_on_the_side() -> None:
    tape = Tape().start().fork("a").send(1).writes(1, "So ").writes(1, "<Outline>1: x", "plan")
    lane = tape.board().blocks[1].lanes[0]
    assert (lane.text, lane.planning, lane.tokens) == ("So ", True, 2)
    assert not tape.asks(1, thread=1).board().blocks[1].lanes[0].planning
    tape.writes(1, "2: y", "plan")
    lane = tape.fork("x", fork=2, parent=(1, 1)).board().blocks[1].lanes[0]
    assert not lane.planning
    lane = tape.writes(1, "good?", kept=False).writes(1, "yes", "answer").board().blocks[1].lanes[0]
    assert (lane.text, lane.planning) == ("So yes", False)
