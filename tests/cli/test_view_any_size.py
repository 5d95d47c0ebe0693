"""Whatever happened in a run and however small the screen is: the picture fits, and holds nothing to obey."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.cli.tape import Tape
from weaver_sdk.cli.chat.race import draw_race
from weaver_sdk.cli.drawing import Drawing, line_text
from weaver_sdk.cli.timeline_view import draw_timeline
from weaver_sdk.cli.view import draw, fold
from weaver_sdk.telemetry.timeline import build_timeline

WORDS = [
    "\x1b[31m",
    "\r",
    "\t",
    "世界",
    "👩‍👩‍👧",
    "e\u0301",
    "\u202e",
    "[bold]",
    " ",
    "\n",
    "word ",
    "<Thread>",
    "\\frac{1}{2}",
]
TEXT = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(WORDS), max_size=12).map("".join))


@st.composite
def tapes(draw_: st.DrawFn) -> Tape:
    tape = Tape().start()
    for text in draw_(st.lists(TEXT, max_size=3)):
        tape.says(text)
    count = draw_(st.integers(0, 9))
    if not count:
        return tape
    tape.fork(*draw_(st.lists(TEXT, min_size=count, max_size=count)))
    for thread in range(1, count + 1):
        if draw_(st.booleans()):
            tape.send(thread)
        if draw_(st.booleans()):
            tape.writes(thread, draw_(TEXT))
        if draw_(st.booleans()):
            tape.ends(thread, draw_(st.sampled_from(["done", "length", "error"])), error=draw_(TEXT))
    if draw_(st.booleans()):
        tape.fork(draw_(TEXT), fork=2, parent=(1, 1)).retries(draw_(TEXT), fork=2, thread=1)
    if draw_(st.booleans()):
        tape.joins().says(draw_(TEXT))
    return tape


def check(drawing: Drawing, width: int, height: int | None) -> None:
    assert height is None or len(drawing.lines) <= height
    for line in drawing.lines:
        text = line_text(line)
        assert cell_len(text) <= width
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)


@settings(max_examples=150, deadline=None)
@given(tapes(), st.integers(1, 220), st.integers(1, 60))
def test_every_picture_fits(tape: Tape, width: int, height: int) -> None:
    board = tape.board()
    check(draw(board, width, height, tape.at), width, height)
    check(draw_race([board, board], width, height, tape.at), width, height)
    for block in board.blocks.values():
        check(fold(board, block, width), width, None)
    check(draw_timeline(build_timeline(tape.events), width), width, None)
