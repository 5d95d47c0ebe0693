"""A plan of steps with their needs: what needs nothing open is worked out at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.play import play, threads
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.errors import APIStatusError, ConfigurationError
from weaver_sdk.options import Budget
from weaver_sdk.result import Fork
from weaver_sdk.strategies.plan_and_solve import JOIN, PlanAndSolve
from weaver_sdk.strategies.steps import PLAN, Step, read_steps
from weaver_sdk.testing import Reply, ScriptedBackend


def plan(*steps: tuple[str, list[Any]]) -> str:
    return json.dumps({"steps": [{"do": do, "needs": needs} for do, needs in steps]})


DIAMOND = plan(("a", []), ("b", [1]), ("c", [1]), ("d", [2, 3]))


def model(planned: str, **steps: Reply) -> ScriptedBackend:
    """Plans, works steps out in capital letters, and answers."""

    def answer(request: CompletionRequest) -> Reply:
        if request.text.endswith(PLAN):
            return Reply(planned)
        if request.text.endswith(JOIN) or request.text == "Q":
            return Reply("42")
        step = request.text.rpartition(": ")[2]
        return steps.get(step, Reply(step.upper()))

    return ScriptedBackend(answer)


async def test_steps_are_worked_out_level_by_level_and_joined_to_an_answer() -> None:
    backend = model(DIAMOND)
    result = await play(backend, strategy=PlanAndSolve())
    assert result.answer == "42"
    assert result.text == "A\n\nB\n\nC\n\nD\n\n42"
    forks = [part for part in result.trace if isinstance(part, Fork)]
    assert [[thread.outline for thread in fork.threads] for fork in forks] == [["a"], ["b", "c"], ["d"]]
    assert result.telemetry.critical_path_tokens == result.telemetry.total_tokens - 1
    backend.assert_complete()


async def test_steps_without_needs_run_at_once() -> None:
    backend = model(plan(*((letter, []) for letter in "abcdef")))
    await play(backend, strategy=PlanAndSolve())
    assert backend.most_running == 6


async def test_a_step_is_told_the_results_that_it_needs_and_no_others() -> None:
    backend = model(plan(("a", []), ("b", []), ("c", [2]), ("d", [1, 3])))
    await play(backend, strategy=PlanAndSolve())
    asked = {request.text.rpartition(": ")[2]: request.text for request in backend.requests}
    assert "Result of" not in asked["a"]
    assert ("step 2:\nB" in asked["c"], "step 1" in asked["c"]) == (True, False)
    assert ("step 1:\nA" in asked["d"], "step 3:\nC" in asked["d"], "step 2" in asked["d"]) == (
        True,
        True,
        False,
    )
    assert all(
        f"step {number}:\n{letter}" in backend.requests[-1].text for number, letter in enumerate("ABCD", 1)
    )


async def test_the_plan_is_held_to_its_schema_and_stays_out_of_the_text() -> None:
    backend = model(DIAMOND)
    result = await play(backend, strategy=PlanAndSolve(max_steps=3))
    schema = backend.requests[0].json_schema
    assert schema is not None
    assert '"maxItems": 3' in json.dumps(schema)
    assert "steps" not in result.text
    assert len(threads(result)) == 3


@pytest.mark.parametrize(
    "bad", ["", "no plan", "{", '{"steps": 3}', '{"steps": []}', "[1, 2]", '{"parts": ["a"]}']
)
async def test_without_a_plan_the_question_itself_is_asked(bad: str) -> None:
    backend = model(bad)
    result = await play(backend, strategy=PlanAndSolve())
    assert result.answer == "42"
    assert backend.requests[-1].text == "Q"
    assert len(backend.requests) == 2


async def test_a_plan_without_end_is_cut_and_the_question_asked() -> None:
    backend = model("{" + "\n" * 10_000)
    result = await play(backend, strategy=PlanAndSolve(plan_tokens=50))
    assert (result.answer, result.finish) == ("42", "stop")
    assert result.telemetry.total_tokens == 51


async def test_a_step_that_failed_does_not_stop_the_others() -> None:
    failed = Reply("half", error=APIStatusError("no", status=400))
    result = await play(model(DIAMOND, b=failed), strategy=PlanAndSolve())
    assert [thread.outcome for thread in threads(result)] == ["done", "error", "done", "done"]
    assert result.answer == "42"


async def test_a_budget_that_is_spent_gives_an_answer_out_of_the_steps_that_there_are() -> None:
    backend = model(DIAMOND, b=Reply(" word" * 1000))
    result = await play(backend, strategy=PlanAndSolve(), budget=Budget(total_tokens=100))
    assert (result.answer, result.finish) == ("42", "budget")
    assert "step 1:\nA" in backend.requests[-1].text
    assert "step 2:\nword word" in backend.requests[-1].text
    assert "step 4" not in backend.requests[-1].text


async def test_more_levels_than_forks_end_in_an_answer_too() -> None:
    result = await play(model(DIAMOND), strategy=PlanAndSolve(), budget=Budget(max_forks=2))
    assert (result.answer, result.finish, result.telemetry.forks) == ("42", "budget", 2)


async def test_a_wide_plan_keeps_to_the_threads_of_the_budget() -> None:
    wide = model(plan(*((letter, []) for letter in "abcdef")))
    result = await play(wide, strategy=PlanAndSolve(), budget=Budget(max_threads=4))
    assert result.answer == "42"
    assert len(threads(result)) == 6
    assert wide.most_running == 4


def test_less_than_one_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_steps=0: use a whole number, 1 or more"):
        PlanAndSolve(max_steps=0)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (plan(("a", []), ("b", [1])), [Step(1, "a"), Step(2, "b", frozenset({1}))]),
        ("Here:\n```json\n" + plan(("a", [])) + "\n```", [Step(1, "a")]),
        (plan(("a", [1]), ("b", [3, 0, -1, 2])), [Step(1, "a"), Step(2, "b")]),
        (plan(("a", []), ("b", ["1", "x"])), [Step(1, "a"), Step(2, "b", frozenset({1}))]),
        ('{"why": "{}", "steps": ["a"]}', [Step(1, "a")]),
        ('The set {1, 2}: {"steps": ["a"]}', [Step(1, "a")]),
        ('{"steps": ["a", "b"]}', [Step(1, "a"), Step(2, "b")]),
        ('{"steps": [{"do": "a\\n b"}, {"needs": "1"}]}', [Step(1, "a b"), Step(2, "")]),
        ("<think>Use {braces}.</think>" + plan(("a", [])), [Step(1, "a")]),
        (
            '{"steps": [{"do": "a", "needs": [true]}, {"do": "b", "needs": [true]}]}',
            [Step(1, "a"), Step(2, "b")],
        ),
    ],
)
def test_a_plan_is_read_as_it_can_be(text: str, steps: list[Step]) -> None:
    assert read_steps(text) == steps


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["steps", "do", "needs"]), inner)
        ),
    ).map(json.dumps)
)
def test_no_text_is_too_bad_to_be_read(text: str) -> None:
    for number, step in enumerate(read_steps(text), start=1):
        assert step.number == number
        assert all(need < number for need in step.needs)
