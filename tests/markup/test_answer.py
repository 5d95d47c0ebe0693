"""Which text is the answer, and which is only the result of a sub-task."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.growth import grows_linearly, repeated
from tests.markup.trajectories import LEGACY_SUMS, MULTIVERSE_CASES, NPR_ROOTS, PRODUCTS, block, messes
from weaver_sdk.markup import (
    MULTIVERSE,
    NPR,
    THREADWEAVER,
    THREADWEAVER_LEGACY,
    Dialect,
    extract_answer,
    has_box,
)


def answer(text: str, dialect: Dialect = THREADWEAVER) -> str | None:
    return extract_answer(text, dialect)


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (THREADWEAVER, PRODUCTS, "5158"),
        (THREADWEAVER_LEGACY, LEGACY_SUMS, "45"),
        (MULTIVERSE, MULTIVERSE_CASES, "2"),
        (NPR, NPR_ROOTS, "3"),
    ],
)
def test_the_answer_of_a_trajectory(dialect: Dialect, text: str, expected: str) -> None:
    assert answer(text, dialect) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{5}", "5"),
        (r"\boxed{ 5 }", "5"),
        (r"\boxed {5}", "5"),
        (r"\boxed{1}, then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed{a \\}", r"a \\"),
        (r"\\boxed{5}", "5"),
        (r"\\\boxed{5}", "5"),
        (r"\boxed{1} \boxed{2", "1"),
        (r"\boxed{1 \boxed{2}", "2"),
        (r"\boxed{a \boxed{b}}", "b"),
        (r"{ \boxed{5}", "5"),
        (r"} \boxed{5} }", "5"),
        (r"\boxed{5}, so the answer stands within \boxed{}.", "5"),
        ("\\boxed{a\nb}", "a\nb"),
        (r"\boxed{<b>}", "<b>"),
        (r"\boxed{5", None),
        (r"\boxed{ {5 }", None),
        (r"\boxed 5", None),
        (r"\fbox{5}", None),
        (r"\boxed{}", None),
        ("no box", None),
        ("", None),
    ],
)
def test_the_last_balanced_box_counts(text: str, expected: str | None) -> None:
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so</think>\n 42 \n", "42"),
        ("<think>a</think> b </think> c", "c"),
        ("</think>", None),
        ("</think> \n", None),
        ("</think> \\boxed{}", None),
        ("\\boxed{1}</think>\n2", "1"),
    ],
)
def test_without_a_box_the_text_behind_the_reasoning_counts(text: str, expected: str | None) -> None:
    assert answer(text) == expected


def test_boxes_of_threads_and_outlines_never_count() -> None:
    boxed = block(" \\boxed{1}\n", " \\boxed{2}\n").replace("Part 1.", "Put it in \\boxed{3}.")
    assert answer(boxed) is None
    assert answer("\\boxed{9} " + boxed) == "9"
    assert answer(boxed + "</think> 7") == "7"
    assert answer(boxed.removesuffix("</Parallel>")) is None
    assert answer(boxed[: boxed.index("</Thread>")]) is None
    assert answer(block(f" {boxed}\n") + "\\boxed{9}") == "9"


def test_a_box_in_a_conclusion_counts() -> None:
    assert answer(block(" 1\n", dialect=NPR).replace("So much", "So \\boxed{4}"), NPR) == "4"


def test_a_box_does_not_reach_over_a_block() -> None:
    assert answer("\\boxed{1 " + block(" x\n") + "}") is None


def test_a_closed_reasoning_ends_a_thread_that_was_never_closed() -> None:
    text = block(" x\n", " y\n")
    assert answer(text[: text.rindex("</Thread>")] + "</think>\\boxed{5}") == "5"


def test_a_thread_may_be_asked_for_its_box() -> None:
    assert has_box(" so \\boxed{1}\n")
    assert has_box("\\boxed{}")
    assert not has_box("\\boxed{1")
    assert not has_box("boxed{1}")


@given(messes())
def test_any_text_has_an_answer_or_none(text: str) -> None:
    assert answer(text) != ""


@pytest.mark.parametrize(
    "text", ["\\boxed{", "\\boxed", "\\boxed ", "\\", "{", "\\boxed{}", "}", "\\boxed{x{"]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert grows_linearly(repeated(text), answer)
    assert grows_linearly(repeated(text), lambda long: answer("\\boxed" + long))
