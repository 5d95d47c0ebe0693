"""What a run leaves in the scrollback: lanes that were open, blocks, and no word of the answer twice."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.tape import Tape
from weaver_sdk.cli.consoles import may_meet
from weaver_sdk.cli.lanes import Board
from weaver_sdk.cli.scene import Scene
from weaver_sdk.cli.screen import Screen


def seen(board: Board, *, terminal: bool = False) -> tuple[Scene, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=60, height=24, force_terminal=terminal, color_system=None)
    return Scene(board, Screen(console, live=terminal)), out


def stopped() -> Board:
    """A run that is stopped while its answer grows beside its threads."""
    tape = Tape().start().fork("Tea", "Coffee").send(1, 2).writes(1, "Green").writes(2, "Black")
    return tape.says("## Tea\nGreen tea", "answer").board()


def test_the_lanes_of_a_stopped_run_are_kept_without_the_answer_that_is_printed_below() -> None:
    scene, out = seen(stopped())
    scene.keep(1.0)
    assert "Black" in out.getvalue()
    assert "Green tea" not in out.getvalue()
    assert "Ctrl-C" not in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_scene_that_rests_prints_nothing_until_it_is_closed(terminal: bool) -> None:
    board = stopped()
    scene, out = seen(board, terminal=terminal)
    scene.paint(0.5)
    scene.rest()
    before = out.getvalue()
    board.finish(None)
    scene.paint(1.0)
    scene.keep(1.0)
    assert out.getvalue() == before
    scene.close()
    assert "◆ fork 1 · 2 threads" in out.getvalue().removeprefix(before)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_may_lead_to_the_terminal_and_a_file_does_not(tmp_path: Path) -> None:
    terminal = Console(file=Tty())
    end, begin = os.pipe()
    with open(begin, "w") as pipe, open(end), open(tmp_path / "answer", "w") as file:
        assert may_meet(Console(file=pipe), terminal)
        assert not may_meet(Console(file=file), terminal)
        assert may_meet(Console(file=file), Console(file=io.StringIO()))  # as with `> FILE 2>&1`
    assert not may_meet(Console(file=io.StringIO()), terminal)
