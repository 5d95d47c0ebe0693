"""The questions that make a plan, its parts and their join, and how a plan is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import Outline
from weaver_sdk.strategies.planned import PlannedStrategy
from weaver_sdk.strategies.questions import (
    PLANNER,
    WORKER,
    QuestionPlan,
    join_turns,
    part_turns,
    plan_schema,
    plan_turns,
    read_plan,
)
from weaver_sdk.strategies.worked import EXAMPLES

ASKED = [{"role": "user", "content": "2*3 + 4*5?"}]


def test_a_plan_is_asked_for_with_examples_that_are_plans() -> None:
    turns = plan_turns(ASKED, EXAMPLES)
    plans = [read_plan(turn["content"]) for turn in turns if turn["role"] == "assistant"]
    assert all(plans)
    assert {bool(plan.parts) for plan in plans if plan} == {True, False}
    assert turns[-1] == ASKED[0]


def test_the_schema_allows_no_parts_at_all() -> None:
    parts = plan_schema(6)["properties"]["parts"]
    assert parts["maxItems"] == 6
    assert "minItems" not in parts


def test_a_part_is_asked_for_with_the_question_it_belongs_to() -> None:
    last = part_turns(ASKED, EXAMPLES, "2*3")[-1]
    assert last == {"role": "user", "content": "2*3 + 4*5?\n\nPart: 2*3"}


def test_earlier_turns_stay_where_they_were() -> None:
    earlier = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    for turns in (
        plan_turns([*earlier, *ASKED], EXAMPLES),
        part_turns([*earlier, *ASKED], EXAMPLES, "2*3"),
    ):
        assert turns[-3:-1] == earlier


def test_the_users_system_prompt_stands_first_and_there_is_no_other_system_turn() -> None:
    asked = [{"role": "user", "content": "Hello"}, {"role": "system", "content": "In French."}, *ASKED]
    results = [(Outline("1", "2*3"), "6"), (Outline("2", "4*5"), "20")]
    for turns, ours in (
        (plan_turns(asked, EXAMPLES), f"\n\n{PLANNER}"),
        (part_turns(asked, EXAMPLES, "2*3"), f"\n\n{WORKER}"),
        (join_turns(asked, results), ""),
        (join_turns(asked, []), ""),
    ):
        assert turns[0] == {"role": "system", "content": f"In French.{ours}"}
        assert [turn["role"] for turn in turns].count("system") == 1


def test_a_question_of_parts_is_asked_with_all_of_them() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    question = [{"type": "text", "text": "What is on it?"}, image]
    asked = [{"role": "user", "content": question}]
    results = [(Outline("1", "Left"), "a cat"), (Outline("2", "Right"), "a dog")]
    assert plan_turns(asked, EXAMPLES)[-1] == asked[0]
    for turns in (part_turns(asked, EXAMPLES, "Left"), join_turns(asked, results), join_turns(asked, [])):
        *shown, added = turns[-1]["content"]
        assert shown == question
        assert added["type"] == "text"


def test_the_join_tells_every_result_and_which_is_missing() -> None:
    [asked] = join_turns(ASKED, [(Outline("1", "2*3"), " 6\n"), (Outline("2", "4*5"), "")])
    assert "1. 2*3: 6\n2. 4*5: (no result)\n" in asked["content"]
    assert asked["content"].endswith("\\boxed{}.")


def test_without_results_the_bare_question_is_asked() -> None:
    [asked] = join_turns(ASKED, [])
    assert asked["content"] == (
        "2*3 + 4*5?\nLet's think step by step and output the final answer within \\boxed{}."
    )


@pytest.mark.parametrize(
    ("reply", "plan"),
    [
        ('{"thought": "Two.", "parts": ["a", "b"]}', QuestionPlan("Two.", ("a", "b"))),
        ('{"thought": "One fact.", "parts": []}', QuestionPlan("One fact.", ())),
        ('Sure!\n```json\n{"parts": ["a", "b"]}\n```', QuestionPlan("", ("a", "b"))),
        ('<think>{"parts": []}</think>{"parts": ["a", "b"]}', QuestionPlan("", ("a", "b"))),
        ('{"parts": ["a\\n b", "a b", " "]}', QuestionPlan("", ("a b",))),
        ('{"parts": [{"name": "a"}, {"name": "b"}, 7]}', QuestionPlan("", ("a", "b"))),
        ('{"thought": "x", "parts": ["a", "b", "c and', QuestionPlan("", ("a", "b"))),
        (r'{"parts": ["\(x\)", "b"]}', QuestionPlan("", (r"\(x\)", "b"))),
        ("Paris.", None),
        ('{"steps": ["a"]}', None),
        ('{"thought": "cut', None),
    ],
)
def test_a_plan_is_read_out_of_what_models_reply(reply: str, plan: QuestionPlan | None) -> None:
    assert read_plan(reply) == plan


@given(
    st.text(),
    st.lists(
        st.text(min_size=1).filter(lambda part: part.strip()), unique_by=lambda part: tuple(part.split())
    ),
)
def test_what_is_valid_json_is_read_whole(thought: str, parts: list[str]) -> None:
    plan = read_plan(json.dumps({"thought": thought, "parts": parts}))
    assert plan is not None
    assert [part.split() for part in plan.parts] == [part.split() for part in parts]


@given(st.text())
def test_no_reply_is_an_error(reply: str) -> None:
    read_plan("{" + reply)


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_parts=1"):
        PlannedStrategy(max_parts=1)
    with pytest.raises(ConfigurationError, match="plan_tokens=0"):
        PlannedStrategy(plan_tokens=0)
