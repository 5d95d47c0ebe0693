"""How a plan is asked for, and how it is read out of what a model replies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.strategies.plan import WORDS, Part, Plan, plan_schema, plan_turns, read_plan
from weaver_sdk.strategies.plan_examples import EXAMPLES

PLAN = Plan((Part("Tea", "taste"), Part("Coffee", "price", "section")), "numbered", "combine")

words = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="|"),
    min_size=1,
    max_size=20,
).filter(lambda text: text not in (*WORDS, "form", "then"))
parts = st.builds(Part, words, words, st.sampled_from(sorted(WORDS)))
plans = st.builds(
    Plan,
    st.lists(parts, min_size=1, max_size=5, unique_by=lambda part: part.title.casefold()).map(tuple),
    st.sampled_from(["sections", "numbered", "bullets", "texts", "json"]),
    st.sampled_from(["list", "combine"]),
)


@given(plans)
def test_a_plan_is_read_as_it_was_written(plan: Plan) -> None:
    assert read_plan(plan.as_json()) == plan


@given(plans, st.integers(0, 400))
def test_of_a_plan_that_was_cut_the_whole_parts_are_read(plan: Plan, at: int) -> None:
    read = read_plan(plan.as_json()[:at])
    whole = () if read is None else read.parts[:-1]
    assert [part.title for part in whole] == [part.title for part in plan.parts][: len(whole)]


@given(st.text(max_size=80))
def test_no_reply_is_too_odd_to_be_read(text: str) -> None:
    read_plan(text)


@pytest.mark.parametrize(
    "reply",
    [
        f"```json\n{PLAN.as_json()}\n```",
        f"<think>A {{brace}} here.</think>\n{PLAN.as_json()}",
        f"{PLAN.as_json()} I hope this helps!",
        PLAN.as_json().replace("Tea |", "  Tea\\n |"),
    ],
)
def test_what_stands_around_a_plan_is_overlooked(reply: str) -> None:
    assert read_plan(reply) == PLAN


def test_what_a_model_leaves_out_has_a_usual_value() -> None:
    assert read_plan('{"parts": ["Tea", {"title": "Coffee", "length": "section"}]}') == Plan(
        (Part("Tea"), Part("Coffee", "", "section"))
    )
    assert read_plan('{"parts": [], "form": "poem"}') == Plan()


def test_two_parts_with_one_title_are_one() -> None:
    assert read_plan('{"parts": ["Tea", "tea", "Coffee", ""]}') == Plan((Part("Tea"), Part("Coffee")))


@pytest.mark.parametrize("reply", ["Tea is mild.", '{"answer": 1}', "[1]", "{", ""])
def test_a_reply_without_parts_is_no_plan(reply: str) -> None:
    assert read_plan(reply) is None


def test_the_question_is_the_last_turn_behind_the_examples_and_one_system_turn_leads() -> None:
    turns = plan_turns(
        ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Q"}), EXAMPLES
    )
    assert [turn["role"] for turn in turns] == ["system", *["user", "assistant"] * len(EXAMPLES), "user"]
    assert str(turns[0]["content"]).startswith("Be kind.")
    assert turns[-1]["content"] == "Q"


def test_every_example_is_a_plan_that_the_schema_allows() -> None:
    allowed = plan_schema(8)["properties"]
    for example in EXAMPLES:
        shown = json.loads(example.plan.as_json())
        assert read_plan(example.plan.as_json()) == example.plan
        assert set(shown) <= set(allowed)
        assert all(len(line) <= allowed["parts"]["items"]["maxLength"] for line in shown["parts"])


def test_about_half_of_the_examples_are_answered_in_one_piece() -> None:
    whole = [example for example in EXAMPLES if not example.plan.parts]
    assert len(EXAMPLES) * 0.4 <= len(whole) <= len(EXAMPLES) * 0.6
