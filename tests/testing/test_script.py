"""A scripted model writes on from any point of its trajectories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.testing import Script, ScriptedBlock, ScriptedTrajectory, fork_join_script, pieces
from weaver_sdk.testing.generation import generate

HEAD = "<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
TAIL = "</Parallel>\nSo 42.\n</think>\n\\boxed{42}"
SMALL = Script((ScriptedTrajectory("Q?", (HEAD, ScriptedBlock((" one\n", " two\n")), TAIL), "42"),))
WHOLE = HEAD + "\n<Thread>\n1: one\n</Thread><Thread>\n2: two\n</Thread>\n" + TAIL


def test_the_whole_is_joined_as_the_dialect_says() -> None:
    assert SMALL.text("Q?") == WHOLE


def test_it_writes_on_from_every_point_of_the_main_line() -> None:
    for written in range(len(WHOLE) + 1):
        assert SMALL("system text\nQ? think.\n" + WHOLE[:written]) == WHOLE[written:]


def test_each_thread_writes_its_own_text() -> None:
    assert SMALL("Q?" + HEAD + "\n<Thread>\n2:") == " two\n</Thread>"
    assert SMALL("Q?" + HEAD + "\n<Thread>\n2: t") == "wo\n</Thread>"
    assert SMALL("Q?" + HEAD + "\n<Thread>\n1:") == WHOLE[len(HEAD) + len("\n<Thread>\n1:") :]


def test_behind_a_join_that_went_otherwise_it_goes_on() -> None:
    joined = HEAD + "\n<Thread>\n1: cut</Thread><Thread>\n2:</Thread>\n"
    assert SMALL("Q?" + joined) == TAIL
    assert SMALL("Q?" + joined + TAIL[:5]) == TAIL[5:]


def test_led_to_its_answer_it_answers() -> None:
    assert SMALL("Q?<think>\nhm, anything\n</think>") == "\n\\boxed{42}"
    assert SMALL("Q?<think>\nhm, anything") == ""


def test_a_prompt_of_no_trajectory() -> None:
    assert SMALL("Another question") is None


def test_the_longest_problem_that_fits_is_meant() -> None:
    script = Script(
        (ScriptedTrajectory("Q?", ("<think>short",)), ScriptedTrajectory("Q? really", ("<think>long",)))
    )
    assert script("Q? really ") == "<think>long"
    assert script("Q? ") == "<think>short"


def test_a_second_block_behind_a_join_that_went_otherwise() -> None:
    parts = (HEAD, ScriptedBlock((" a", " b")), HEAD, ScriptedBlock((" c", " d")), TAIL)
    script = Script((ScriptedTrajectory("Q?", parts),))
    prompt = "Q?" + HEAD + "\n<Thread>\n1: x</Thread>\n" + HEAD + "\n<Thread>\n2:"
    assert script(prompt) == " d</Thread>"


def test_a_thread_may_fork_itself_and_labels_may_be_any() -> None:
    inner = (" in<Outlines></Outlines>", ScriptedBlock((" deep", " deeper"), labels=("1.1", "1.2")), " out")
    parts = ("<think></Outlines>", ScriptedBlock((inner, " two")), "end")
    script = Script((ScriptedTrajectory("Q?", parts),))
    context = "Q?<think></Outlines>\n<Thread>\n1:"
    assert script(context + " in<Outlines></Outlines>\n<Thread>\n1.2:") == " deeper</Thread>"
    joined = " in<Outlines></Outlines>\n<Thread>\n1.1: deep</Thread><Thread>\n1.2: deeper</Thread>\n"
    assert (script(context + joined) or "").startswith(" out</Thread>")


def test_it_travels_as_json() -> None:
    script = fork_join_script(2)
    assert Script.from_json(script.to_json()) == script


@given(st.text(alphabet="ab <>/\n\tThread", max_size=60))
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_built_script_has_the_tokens_that_were_asked_for() -> None:
    script = fork_join_script(
        3, before_tokens=25, thread_tokens=(5, 9), after_tokens=12, answer=lambda i: f"A{i}"
    )
    assert len(script.trajectories) == 3
    for i, trajectory in enumerate(script.trajectories):
        before, block, after = trajectory.parts
        assert isinstance(before, str)
        assert isinstance(block, ScriptedBlock)
        assert isinstance(after, str)
        assert len(pieces(before)) == 25
        assert [len(pieces(f"{thread}</Thread>")) for thread in block.threads] == [5, 9]
        assert len(pieces(after)) == 12
        assert after.endswith(f"\\boxed{{A{i}}}")
        assert trajectory.answer == f"A{i}"


def test_counts_too_small_for_the_markup() -> None:
    with pytest.raises(ValueError, match="markup"):
        fork_join_script(before_tokens=3)


TEXT = "one two three four"


@pytest.mark.parametrize(
    ("stop", "limit", "stops", "steps", "finish", "matched"),
    [
        ((), None, "trim", ("one", " two", " three", " four"), "stop", None),
        ((), 2, "trim", ("one", " two"), "length", None),
        ((), 0, "trim", (), "length", None),
        ((), 4, "trim", ("one", " two", " three", " four"), "stop", None),
        (("three",), None, "trim", ("one", " two", " "), "stop", "three"),
        (("three",), None, "keep", ("one", " two", " three"), "stop", "three"),
        (("three",), None, "ignore", ("one", " two", " three", " four"), "stop", None),
        (("three",), 2, "trim", ("one", " two"), "length", None),
        (("o th",), None, "trim", ("one", " tw", ""), "stop", "o th"),
        (("four", "two"), None, "trim", ("one", " "), "stop", "two"),
        (("five",), None, "trim", ("one", " two", " three", " four"), "stop", None),
    ],
)
def test_stops_and_limits(
    stop: tuple[str, ...],
    limit: int | None,
    stops: str,
    steps: tuple[str, ...],
    finish: str,
    matched: str | None,
) -> None:
    made = generate(TEXT, stop, limit, stops)  # type: ignore[arg-type]
    assert (made.steps, made.finish_reason, made.matched_stop) == (steps, finish, matched)
    assert made.text == "".join(steps)
