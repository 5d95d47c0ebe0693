"""The answer in a pipe: piece by piece, and in the end what would have been printed whole."""

import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.tape import RUN, Tape, a_result
from weaver_sdk.cli.piped import PipedAnswer
from weaver_sdk.events import Event, RunFinished, RunStarted


def run_of(*pieces: str, answer_is_text: bool = True) -> Iterable[Event]:
    yield RunStarted(
        run_id=RUN, at=0.0, problem="?", model="toy", mode="parallel", answer_is_text=answer_is_text
    )
    tape = Tape().says("to think", "reasoning")
    for piece in pieces:
        tape.says(piece, "answer")
    yield from tape.events
    yield RunFinished(run_id=RUN, at=9.0, result=a_result("".join(pieces).strip()))


@given(st.lists(st.text(alphabet="a \n\té", max_size=4)))
def test_what_is_written_is_the_answer_without_white_space_around_it(pieces: list[str]) -> None:
    out = io.StringIO()
    piped = PipedAnswer(out)
    for event in run_of(*pieces):
        piped.take(event)
    answer = "".join(pieces).strip()
    assert piped.begun == bool(answer)
    assert out.getvalue() == (answer + "\n" if answer else "")


def test_every_piece_is_flushed_at_once() -> None:
    raw = io.BytesIO()
    piped = PipedAnswer(io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8"))  # type: ignore[type-var]
    seen = []
    for event in run_of("One, ", "two"):
        piped.take(event)
        seen.append(raw.getvalue())
    assert seen == [b"", b"", b"One,", b"One, two", b"One, two\n"]


def test_an_answer_that_is_read_out_of_the_text_is_not_written_here() -> None:
    out = io.StringIO()
    piped = PipedAnswer(out)
    for event in run_of("It is \\boxed{5}", answer_is_text=False):
        piped.take(event)
    assert not piped.begun
    assert out.getvalue() == ""


def test_the_picture_makes_room_once_before_the_first_word() -> None:
    out = io.StringIO()
    had: list[str] = []
    piped = PipedAnswer(out, lambda: had.append(out.getvalue()))
    for event in run_of("\n", "a", "b"):
        piped.take(event)
    assert had == [""]


def test_a_pipe_that_is_closed_is_told() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    piped = PipedAnswer(Closed())
    with pytest.raises(BrokenPipeError):
        for event in run_of("a"):
            piped.take(event)
