"""The main line without its markup: the same for every way the text is cut into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.tape import Tape, a_result
from tests.growth import grows_linearly
from weaver_sdk.cli.lanes import Board, Folded, Passage
from weaver_sdk.cli.view import draw
from weaver_sdk.events import PlanReady, RequestStarted, SegmentDelta
from weaver_sdk.result import Phase

BEFORE = (
    "<think>\n\nWe add the products.\n\n\nAll at once, for 1 < 2:\n"
    "<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n</Outlines>"
)
AFTER = "\n</Parallel>\n4042 + 1116\n\nis 5158\n</think>\n\\boxed{5158} <Thread>"


def chunks(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def prose(board: Board) -> str:
    """What is settled, with a line for each fold."""
    return "".join(item.text if isinstance(item, Passage) else "FORK\n" for item in board.settled)


def phases(*pieces: tuple[Phase, str, bool]) -> Board:
    tape = Tape().start()
    for phase, text, kept in pieces:
        tape.says(text, phase, kept=kept)
    return tape.board()


@given(st.lists(st.integers(0, 500), max_size=20))
def test_any_chunking_shows_the_same(cuts: list[int]) -> None:
    tape = Tape().start()
    for chunk in chunks(BEFORE, cuts):
        tape.says(chunk)
    tape.fork("a").send(1).ends(1).joins()
    for chunk in chunks(AFTER, cuts):
        tape.says(chunk)
    board = tape.board()
    assert prose(board) == ("We add the products.\n\nAll at once, for 1 < 2:\nFORK\n4042 + 1116\n\nis 5158\n")
    assert board.main.answering
    assert board.main.answer == "\\boxed{5158} <Thread>"


@given(st.lists(st.integers(0, 500), max_size=20))
def test_half_a_tag_and_the_text_of_a_plan_are_never_shown(cuts: list[int]) -> None:
    tape = Tape()
    board = Board()
    for chunk in chunks(BEFORE, cuts):
        tape.says(chunk)
        while tape.events:
            board.apply(tape.events.pop(0))
            lines = draw(board, 60, 10, 1.0, settled=True).plain().splitlines()[:-1]
            assert not any("Paral" in line or "Outl" in line or "1: a" in line for line in lines)
    assert board.main.planning


def test_outlines_that_no_fork_came_of_are_told_in_a_note() -> None:
    tape = Tape().start().says("<think>\n<Outlines>\n<Outline>nothing to read</Outline>\n</Outlines>")
    assert tape.board().main.planning
    tape.mends("unreadable_outlines", "no outline could be read", fork=None).says("\nso I go on\n")
    board = tape.board()
    assert prose(board) == "so I go on\n"
    assert not board.main.planning
    assert board.notes == ["no outline could be read"]


@pytest.mark.parametrize("markup", ["<think>\n", "</Parallel>", "</think>\n", "\n"])
def test_markup_without_words_is_no_planning(markup: str) -> None:
    assert not phases(("reasoning", "So ", True), ("plan", markup, True)).main.planning


def test_a_plan_that_is_asked_for_on_the_side_is_planning_until_it_is_ready() -> None:
    board = phases(("plan", '{"thought": "one", ', False))
    assert board.main.planning
    assert "thought" not in draw(board, 60, 10, 1.0).plain()
    assert "◇ planning" in draw(board, 60, 10, 1.0).plain()
    board.apply(PlanReady(run_id="run", at=2.0, text="{}"))
    assert not board.main.planning


def test_what_a_model_thinks_before_its_plan_is_planning_too() -> None:
    board = Board()
    board.apply(SegmentDelta(run_id="run", at=0.1, text="", phase="plan", kept=False, reasoning="Let me"))
    assert board.main.planning
    assert board.main.shown == ""


def test_a_question_on_the_side_is_not_shown() -> None:
    board = phases(("answer", "A", True), ("reasoning", "Is A good?\n", False), ("answer", "yes", False))
    assert (board.settled, board.main.answer, board.main.shown) == ([], "A", "A")
    assert board.tokens == 3


def test_what_was_written_before_a_plan_is_settled_before_it() -> None:
    board = phases(("reasoning", "We divide", True), ("plan", "1: a", True))
    assert board.settled == [Passage("We divide\n")]


def test_a_join_may_be_the_answer() -> None:
    tape = Tape().start().fork("a", "b").send(1, 2).ends(1).ends(2)
    board = tape.joins(phase="answer", text="both of them").says(", and more", "answer").board()
    assert board.main.answer == "both of them, and more"
    assert board.main.shown == "both of them, and more"
    assert board.settled == [Folded(1)]


def test_a_join_inside_a_thread_is_no_answer_of_the_run() -> None:
    tape = Tape().start().fork("a").send(1).fork("inner", fork=2, parent=(1, 1)).send(1, fork=2)
    board = tape.ends(1, fork=2).joins(2, parent=(1, 1), phase="answer").board()
    assert board.main.answer == ""


@pytest.mark.parametrize(
    "text",
    ["It is 5.", "<think>Hm.</think>\nIt is 5.", "Hm.\n</think>\n\nIt is 5.", "<think>\n</think> It is 5. "],
)
def test_what_is_said_is_the_answer_without_thoughts_in_its_text(text: str) -> None:
    assert phases(("answer", text, True)).said == "It is 5."


def test_where_no_answer_was_written_what_was_found_is_said() -> None:
    board = Tape().start().says("so \\boxed{5158}", "reasoning").board()
    assert board.said == ""
    board.finish(a_result(text="so \\boxed{5158}"))
    assert board.said == "5158"


def test_the_answer_of_a_run_that_broke_off_is_kept() -> None:
    board = phases(("answer", "Half of ", True))
    board.finish(None)
    assert board.main.answer == "Half of "


def test_a_line_without_end_is_let_go() -> None:
    tape = Tape().start()
    for _ in range(2_000):
        tape.says("word ", "reasoning")
    board = tape.board()
    assert len(prose(board)) > 4_000
    assert len(board.main.shown) < 8_000


@pytest.mark.parametrize("phase", ["reasoning", "answer", "plan"])
@pytest.mark.parametrize("piece", ["word ", "word\n", "\n", "<"])
def test_the_work_grows_with_the_text(phase: Phase, piece: str) -> None:
    def deltas(count: int) -> list[SegmentDelta]:
        return [SegmentDelta(run_id="run", at=0.0, text=piece, phase=phase)] * count

    def shown(events: list[SegmentDelta]) -> None:
        board = Board()
        for event in events:
            board.apply(event)
        board.finish(None)

    assert grows_linearly(deltas, shown)


def test_one_long_text_is_no_more_work_than_its_pieces() -> None:
    def shown(text: str) -> None:
        phases(("reasoning", text, True))

    assert grows_linearly(lambda count: "word" * count, shown)


def asked(tape: Tape, request: int, phase: Phase) -> Tape:
    sent = RequestStarted(run_id="run", at=tape.at, request=request, model="main", phase=phase)
    tape.events.append(sent)
    return tape


def test_a_plan_that_was_asked_for_is_planning_before_its_first_word() -> None:
    tape = asked(Tape().start(), 1, "plan")
    assert draw(tape.board(), 60, 10, 1.0).plain() == (
        "◇ planning\n▸ 1.00 s                                        Ctrl-C stops"
    )
    tape.says("{", "plan", kept=False).hears(1)
    tape.events.append(PlanReady(run_id="run", at=2.0, text="{}"))
    assert not tape.board().main.planning


def test_another_question_beside_a_plan_leaves_it_planning() -> None:
    tape = asked(asked(Tape().start(), 1, "plan"), 2, "answer")
    assert tape.board().main.planning
    assert not tape.hears(1).board().main.planning


def test_the_titles_of_a_plan_are_shown_as_they_arrive() -> None:
    tape = asked(Tape().start(), 1, "plan")
    for piece in ('{"parts": [{"ti', 'tle": "Tea \\"green\\""', ', "says": "x"}, {"title" : "Cof'):
        tape.says(piece, "plan", kept=False)
    assert draw(tape.board(), 60, 10, 1.0).plain().startswith('◇ planning · Tea "green"\n')
    tape.says('fee"}', "plan", kept=False)
    assert draw(tape.board(), 60, 10, 1.0).plain().startswith('◇ planning · Tea "green" · Coffee\n')


def test_a_second_plan_begins_without_the_titles_of_the_first() -> None:
    tape = asked(Tape().start(), 1, "plan").says('{"title": "Tea"}', "plan", kept=False).hears(1)
    assert asked(tape, 2, "plan").board().main.titles == []


def test_what_a_program_writes_while_threads_work_is_no_token() -> None:
    tape = Tape().start().fork("Tea").send(1).writes(1, "Green").says("## Tea\n\n", "answer")
    assert (tape.board().tokens, tape.board().main.answer) == (1, "## Tea\n\n")
    assert asked(tape, 3, "answer").says("And", "answer").board().tokens == 2
