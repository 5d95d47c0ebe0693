"""The picture of a run as plain text, cut to several widths."""

from textwrap import dedent

from tests.cli.tape import Tape, two_threads
from weaver_sdk.cli.drawing import Drawing
from weaver_sdk.cli.view import draw, fold


def shown(drawing: Drawing) -> str:
    return "\n" + drawing.plain() + "\n"


def picture(text: str) -> str:
    return dedent(text)


def test_waiting_for_the_first_token() -> None:
    board = Tape().start().board()
    assert draw(board, 60, 10, 1.5).plain() == "▸ waiting for the model · 1.50 s                Ctrl-C stops"


def test_the_main_line_shows_its_last_lines_without_tags() -> None:
    board = Tape().start().says("<think>\nFirst we add the two products that we know").board()
    assert shown(draw(board, 40, 10, 0.1)) == picture("""
        First we add the two products that we
        know
        ▸ 0.10 s · 2 tokens         Ctrl-C stops
        """)


def test_planning() -> None:
    tape = Tape().start().says("<think>\n<Parallel>\n<Outlines>\n<Outline>1: Compute 47*86.</Outline>\n<Outl")
    assert shown(draw(tape.board(), 50, 10, 0.1)) == picture("""
        ◇ planning
        ▸ 0.10 s · 1 token                    Ctrl-C stops
        """)


def test_threads_side_by_side() -> None:
    assert shown(draw(two_threads().board(), 80, 12, 0.8)) == picture("""
        ◆ fork 1 · 2 threads                                          0.40 s · 14 tokens
        ▌1 Compute 47*86.                       ▌2 Compute 93*12.
        ▌✓ done · 12 tok · 40 tok/s · 0.40 s    ▌● running · 2 tok · 10 tok/s · 0.40 s
        ▌ 47*86 = 4042                          ▌ 93*12 = 1000
        ▸ 0.80 s · 18 tokens · 26 tok/s                                     Ctrl-C stops
        """)


def test_threads_stacked() -> None:
    assert shown(draw(two_threads().board(), 40, 12, 0.8)) == picture("""
        ◆ fork 1 · 2 threads  0.40 s · 14 tokens
        ▌1 Compute 47*86.
        ▌✓ done · 12 tok · 40 tok/s · 0.40 s
        ▌ 47*86 = 4042
        ▌2 Compute 93*12.
        ▌● running · 2 tok · 10 tok/s · 0.40 s
        ▌ 93*12 = 1000
        ▸ 0.80 s · 18 tokens · 26 tok/s
        """)


def test_threads_in_one_line_each_where_the_screen_is_low() -> None:
    assert shown(draw(two_threads().board(), 40, 4, 0.8)) == picture("""
        ◆ fork 1 · 2 threads  0.40 s · 14 tokens
        ▌✓ 1 Compute 47*86.               12 tok
        ▌● 2 Compute 93*12.                2 tok
        ▸ 0.80 s · 18 tokens · 26 tok/s
        """)


def test_the_busiest_threads_where_there_is_no_room_for_all() -> None:
    tape = Tape().start().fork(*(f"case {n}" for n in range(1, 51))).send(*range(1, 41))
    for thread in range(1, 38):
        tape.ends(thread, tokens=5)
    assert shown(draw(tape.board(), 40, 7, 0.0)) == picture("""
        ◆ fork 1 · 50 threads             0.00 s
        ▌✓ 1 case 1                        5 tok
        ▌● 38 case 38                      0 tok
        ▌● 39 case 39                      0 tok
        ▌● 40 case 40                      0 tok
        … and 36 done, 10 waiting
        ▸ waiting for the model · 0.00 s
        """)


def test_what_became_of_each_thread() -> None:
    tape = Tape().start().fork("done", "mended", "long", "broken", "late", "unsent").send(1, 2, 3, 4, 5)
    tape.at = 1.0
    tape.ends(1, tokens=10, after=1.0)
    tape.mends("thread_opened_block", "closed", thread=2).ends(2, tokens=20)
    tape.ends(3, "length", tokens=1234, after=2.0).ends(4, "error", tokens=0, error="500 oops [red]\x1b[31m")
    tape.ends(5, "timeout", tokens=3)
    board = tape.joins().board()
    assert shown(fold(board, board.blocks[1], 96)) == picture("""
        ◆ fork 1 · 6 threads                                                       4.00 s · 1,267 tokens
         1 ✓ done                                  ████████████████▌                    2.00 s    10 tok
         2 ~ mended (thread opened block)          ████████████████▌                    2.00 s    20 tok
         3 ✗ long (cut at its length)              █████████████████████████████████    4.00 s 1,234 tok
         4 ✗ broken (failed: 500 oops [red]␛[31m)  █████████████████████████████████    4.00 s     0 tok
         5 ✗ late (timed out)                      █████████████████████████████████    4.00 s     3 tok
         6 ○ unsent                                                                     0.00 s     0 tok
        """)


def test_a_narrow_fold_drops_the_bars_and_then_the_counts() -> None:
    board = two_threads().ends(2, tokens=9).joins().board()
    assert shown(fold(board, board.blocks[1], 50)) == picture("""
        ◆ fork 1 · 2 threads            0.40 s · 21 tokens
         1 ✓ Compute 47*86.    0.40 s    12 tok
         2 ✓ Compute 93*12.    0.40 s     9 tok
        """)
    assert shown(fold(board, board.blocks[1], 30)) == picture("""
        ◆ fork 1 · 2 threads    0.40 s
         1 ✓ Compute 47*86.    0.40 s
         2 ✓ Compute 93*12.    0.40 s
        """)


def test_text_is_data() -> None:
    tape = (
        Tape()
        .start()
        .fork("[bold]x[/bold] \\times 2 世界 👩‍👩‍👧")
        .send(1)
        .writes(1, "\x1b[2J[red]y[/red]\r\n世")
    )
    assert shown(draw(tape.board(), 50, 8, 0.2)) == picture("""
        ◆ fork 1 · 1 thread               0.20 s · 1 token
        ▌1 [bold]x[/bold] × 2 世界 👩‍👩‍👧
        ▌● running · 1 tok · 0.20 s
        ▌ ␛[2J[red]y[/red]
        ▌ 世
        ▸ 0.20 s · 1 token                    Ctrl-C stops
        """)


def test_a_thread_that_plans() -> None:
    tape = Tape().start().fork("a").send(1).writes(1, "{parts: [", "plan", kept=False)
    assert shown(draw(tape.board(), 50, 8, 0.2)) == picture("""
        ◆ fork 1 · 1 thread               0.20 s · 1 token
        ▌1 a
        ▌● planning · 1 tok · 0.20 s
        ▸ 0.20 s · 1 token                    Ctrl-C stops
        """)


def test_threads_that_were_spawned_stand_side_by_side_and_the_main_line_below() -> None:
    tape = Tape().start().fork("a").send(1).fork("b", fork=2).send(1, fork=2)
    tape.writes(1, "x").writes(1, "y", fork=2).asks(3).says("Meanwhile I", "reasoning")
    assert shown(draw(tape.board(), 80, 12, 0.3)) == picture("""
        ◆ 2 forks · 2 threads                                          0.30 s · 2 tokens
        ▌1 a                                    ▌1 b
        ▌● running · 1 tok · 0.30 s             ▌● running · 1 tok · 0.30 s
        ▌ x                                     ▌ y
        Meanwhile I
        ▸ 0.30 s · 3 tokens                                                 Ctrl-C stops
        """)


def growing(lines: int) -> Tape:
    """An answer that is written while its threads still work."""
    tape = Tape().start().fork("Tea", "Coffee").send(1, 2).writes(1, "Green").writes(2, "Black")
    return tape.says("## Tea\n" + "".join(f"line {n}\n" for n in range(1, lines + 1)), "answer")


def test_an_answer_grows_below_the_threads_that_still_work() -> None:
    assert shown(draw(growing(2).board(), 80, 14, 0.3)) == picture("""
        ◆ fork 1 · 2 threads                                           0.30 s · 2 tokens
        ▌1 Tea                                  ▌2 Coffee
        ▌● running · 1 tok · 0.30 s             ▌● running · 1 tok · 0.30 s
        ▌ Green                                 ▌ Black

        ## Tea
        line 1
        line 2
        ▸ 0.30 s · 2 tokens                                                 Ctrl-C stops
        """)


def test_an_answer_gets_the_lines_that_the_lanes_leave_over() -> None:
    assert shown(draw(growing(40).board(), 80, 14, 0.3)) == picture("""
        ◆ fork 1 · 2 threads                                           0.30 s · 2 tokens
        ▌1 Tea                                  ▌2 Coffee
        ▌● running · 1 tok · 0.30 s             ▌● running · 1 tok · 0.30 s
        ▌ Green                                 ▌ Black

        line 33
        line 34
        line 35
        line 36
        line 37
        line 38
        line 39
        line 40
        ▸ 0.30 s · 2 tokens                                                 Ctrl-C stops
        """)


def test_an_answer_without_threads_may_fill_the_screen() -> None:
    tape = Tape().start().says("".join(f"line {n}\n" for n in range(1, 41)), "answer")
    lines = draw(tape.board(), 80, 24, 0.1).plain().splitlines()
    assert lines[0] == "line 18"
    assert lines[-2] == "line 40"
    assert len(lines) == 24
