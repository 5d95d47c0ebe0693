"""Parts that are written in any order become one answer in the order of the plan."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.strategies.assembly import Assembly, heading
from weaver_sdk.strategies.plan import Part, Plan

PLAN = Plan((Part("A"), Part("B"), Part("C")))


def assembled(plan: Plan, steps: list[tuple[int, str | None]]) -> tuple[list[str], Assembly]:
    """Feed an assembly; `None` for the end of a part."""
    out: list[str] = []
    assembly = Assembly(plan, out.append)
    for number, text in steps:
        if text is None:
            assembly.ended(number)
        else:
            assembly.heard(number, text)
    return out, assembly


def test_a_part_waits_for_those_before_it() -> None:
    out, assembly = assembled(PLAN, [(1, "two"), (0, "one")])
    assert "".join(out) == "## A\n\none"
    assembly.ended(0)
    assert "".join(out) == "## A\n\none\n\n## B\n\ntwo"


def test_the_first_part_is_let_out_as_it_comes() -> None:
    out, _ = assembled(PLAN, [(0, "on"), (0, "e "), (0, "more")])
    assert out == ["## A\n\n", "on", "e", " more"]


def test_all_that_was_written_is_let_out_in_the_end() -> None:
    out, assembly = assembled(PLAN, [(2, "three"), (0, "one")])
    assembly.finish()
    assert "".join(out) == "## A\n\none\n\n## C\n\nthree"
    assert assembly.begun


def test_a_table_or_code_of_an_item_begins_a_line_of_its_own() -> None:
    plan = Plan(PLAN.parts, "numbered")
    out, _ = assembled(plan, [(0, "| a | b |"), (0, None), (1, "text")])
    assert "".join(out) == "1. **A**\n\n| a | b |\n\n2. **B**: text"


def test_nothing_written_is_no_answer() -> None:
    out, assembly = assembled(Plan(PLAN.parts, "json"), [(0, " \n"), (1, None)])
    assembly.finish()
    assert out == []
    assert not assembly.begun


@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.text("ab \n", max_size=4)), max_size=30))
def test_the_answer_does_not_depend_on_who_writes_first(steps: list[tuple[int, str | None]]) -> None:
    ends = {number: at for at, (number, text) in reversed([*enumerate(steps)]) if text is None}
    steps = [step for at, step in enumerate(steps) if at <= ends.get(step[0], at)]
    out, assembly = assembled(PLAN, steps)
    assembly.finish()
    texts = ["".join(text for number, text in steps if number == part and text) for part in range(3)]
    whole = [heading(PLAN, part) + text.strip() for part, text in enumerate(texts) if text.strip()]
    assert "".join(out) == "\n\n".join(whole)
