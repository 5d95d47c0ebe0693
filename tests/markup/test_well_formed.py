"""The strict form: what passes, what does not, and where the complaint points."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import grows_linearly, repeated
from tests.markup.trajectories import MULTIVERSE_CASES, PRODUCTS, block, messes, well_formed
from weaver_sdk.errors import MarkupError
from weaver_sdk.markup import (
    DIALECTS,
    MULTIVERSE,
    NPR,
    THREADWEAVER,
    Dialect,
    check_well_formed,
    is_well_formed,
)

X = " x\n"
"""What a thread may write."""


@given(st.data(), st.sampled_from(list(DIALECTS.values())))
def test_what_is_stitched_from_good_parts_is_well_formed(data: st.DataObject, dialect: Dialect) -> None:
    check_well_formed(data.draw(well_formed(dialect)), dialect, max_depth=2)


@given(messes(), st.integers(-1, 99), st.booleans())
def test_no_text_raises_anything_but_a_markup_error(text: str, max_depth: int, think_open: bool) -> None:
    if is_well_formed(text, THREADWEAVER, max_depth, think_open=think_open):
        check_well_formed(text, THREADWEAVER, max_depth, think_open=think_open)
    else:
        with pytest.raises(MarkupError, match=r"line \d+, column \d+: .+; .+"):
            check_well_formed(text, THREADWEAVER, max_depth, think_open=think_open)


@pytest.mark.parametrize(
    "text",
    [
        PRODUCTS,
        "<think>\nIt is 4.\n</think>\n4",
        "\n<think></think>",
        "<think>" + block(" x\n") + "</think>",
        PRODUCTS.replace("</Outline>\n<Outline>", "</Outline><Outline>"),
        PRODUCTS.replace("</Outline>\n<Outline>", "</Outline>\r\n<Outline>"),
        PRODUCTS.replace("<Outline>1: Compute", "<Outline> 1:\nCompute"),
        PRODUCTS.replace("\n</Parallel>", "\n \n</Parallel>"),
        PRODUCTS.replace("93*12 = 1116", "a < b, \\<Thread>, {x} \\boxed{3}"),
    ],
)
def test_what_passes(text: str) -> None:
    check_well_formed(text, THREADWEAVER)


@pytest.mark.parametrize(
    ("old", "new", "place", "complaint"),
    [
        ("<think>\n", "", "line 2, column 1", "expected <think>, found <Parallel>"),
        ("<think>", "so <think>", "line 1, column 1", "text between tags, before <think>"),
        ("</think>", "", "line 17, column 1", "expected </think>, found the end of the text"),
        ("<Outlines>\n", "", "line 4, column 1", "expected <Outlines>, found <Outline>"),
        ("<Outlines>", "so <Outlines>", "line 3, column 11", "text between tags, before <Outlines>"),
        ("</Outline>\n</Outlines>", "\n</Outlines>", "line 7, column 1", "expected </Outline>, found"),
        ("</Outlines>\n", "", "line 7, column 1", "expected </Outlines>, found <Thread>"),
        ("<Parallel>", "<parallel>", "line 3, column 1", "has different letter case; write <Parallel>"),
        ("2: Compute", "3: Compute", "line 6, column 10", "does not begin with 2:"),
        ("1: Compute", "0: Compute", "line 5, column 10", "number outlines 1, 2, …"),
        ("1: Compute", "Compute", "line 5, column 10", "does not begin with 1:"),
        ("1: Compute 47*86.", "1: ", "line 5, column 10", "outline 1 is empty"),
        (
            "<Outline>1: Compute",
            "<Outline>1: <Thread>",
            "line 5, column 13",
            "expected </Outline>, found",
        ),
        ("</Outlines>\n<Thread>", "</Outlines><Thread>", "line 7, column 12", "the opening of thread 1"),
        ("</Thread><Thread>", "</Thread>\n<Thread>", "line 10, column 10", "the opening of thread 2"),
        ("\n2: 93", "2: 93", "line 10, column 10", "the opening of thread 2"),
        ("\n2: 93", "\n3: 93", "line 10, column 10", "write '<Thread>\\n2:'"),
        ("1116\n", "1116", "line 11, column 16", "thread 2 has the wrong ending"),
        (" 93*12 = 1116", "", "line 11, column 3", "thread 2 is empty"),
        ("= 1116", "= <Outline> 1116", "line 11, column 12", "expected </Thread>, found <Outline>"),
        ("</Thread>\n</P", "</P", "line 12, column 1", "expected </Thread>, found </Parallel>"),
        ("</Thread>\n</P", "</Thread></P", "line 12, column 10", "the text after the threads"),
        ("</Parallel>\n", "", "line 14, column 1", "expected </Parallel>, found </think>"),
        ("</Parallel>", "so </Parallel>", "line 12, column 10", "text between tags, before </Parallel>"),
        ("\\boxed", "<Thread> \\boxed", "line 16, column 1", "outside the reasoning"),
        ("4042 + 1116", "</Thread>", "line 14, column 1", "expected </think>, found </Thread>"),
    ],
)
def test_what_does_not_pass(old: str, new: str, place: str, complaint: str) -> None:
    assert old in PRODUCTS
    with pytest.raises(MarkupError) as caught:
        check_well_formed(PRODUCTS.replace(old, new, 1), THREADWEAVER)
    assert str(caught.value).startswith(place)
    assert complaint in str(caught.value)


def test_as_many_threads_as_outlines() -> None:
    without = PRODUCTS.replace("<Outline>2: Compute 93*12.</Outline>\n", "")
    with pytest.raises(MarkupError, match="more threads than the 1 outlines"):
        check_well_formed(without, THREADWEAVER)
    more = PRODUCTS.replace("</Outlines>", "<Outline>3: More.</Outline></Outlines>")
    with pytest.raises(MarkupError, match="expected <Thread>, found </Parallel>"):
        check_well_formed(more, THREADWEAVER)


def test_an_empty_list_of_outlines() -> None:
    with pytest.raises(MarkupError, match="list of outlines is empty"):
        check_well_formed("<think><Parallel><Outlines></Outlines></Parallel></think>", THREADWEAVER)


def test_fifty_threads_and_no_more() -> None:
    check_well_formed(f"<think>{block(*[X] * 50)}</think>", THREADWEAVER)
    with pytest.raises(MarkupError, match="more than 50 outlines"):
        check_well_formed(f"<think>{block(*[X] * 51)}</think>", THREADWEAVER)


def test_blocks_nest_as_deep_as_is_allowed() -> None:
    nested = block(" x\n", f" {block(X)}\n")
    text = f"<think>{nested}</think>"
    check_well_formed(text, THREADWEAVER, max_depth=2)
    with pytest.raises(MarkupError, match="a block at depth 2, deeper than 1"):
        check_well_formed(text, THREADWEAVER)
    with pytest.raises(MarkupError, match="a block at depth 1, deeper than 0"):
        check_well_formed(text, THREADWEAVER, max_depth=0)


def test_the_prompt_may_have_opened_the_reasoning() -> None:
    rest = PRODUCTS.removeprefix("<think>")
    check_well_formed(rest, THREADWEAVER, think_open=True)
    assert not is_well_formed(rest, THREADWEAVER)
    assert not is_well_formed(PRODUCTS, THREADWEAVER, think_open=True)


def test_a_seed_may_carry_the_outline() -> None:
    seeded = replace(THREADWEAVER, name="seeded", seed="<Thread>\n{label}: {outline}")
    text = f"<think>{block(X, dialect=seeded)}</think>"
    assert "<Thread>\n1: Part 1. x" in text
    check_well_formed(text, seeded)
    assert not is_well_formed(text.replace("1: Part 1. x", "1: x"), seeded)


def test_white_space_around_threads_is_open_where_stitching_is_not_exact() -> None:
    check_well_formed(MULTIVERSE_CASES, MULTIVERSE, max_depth=2)
    assert not is_well_formed(MULTIVERSE_CASES.replace("</Path>\n<Path>", "</Path> so <Path>"), MULTIVERSE, 2)
    assert not is_well_formed(MULTIVERSE_CASES.replace("1.1:", "1:"), MULTIVERSE, 2)


def test_a_family_without_think_tags_has_none() -> None:
    text = block(" x\n", dialect=NPR)
    check_well_formed(text + "so \\boxed{1}", NPR)
    assert not is_well_formed(f"<think>{text}</think>", NPR)


@pytest.mark.parametrize(
    "text", ["<think>", "<Parallel>", "<think><Parallel><Outlines>", "<think>" + "</think>", "<", " "]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    def work(long: str) -> None:
        assert not is_well_formed(long, THREADWEAVER, max_depth=10**9)

    assert grows_linearly(repeated(text), work)


def test_blocks_nested_beyond_any_depth_are_refused_in_time() -> None:
    text = "<Parallel><Outlines><Outline>1: a</Outline></Outlines>\n<Thread>\n1:" * 5000
    with pytest.raises(MarkupError, match="deeper than 32"):
        check_well_formed("<think>" + text, THREADWEAVER, max_depth=10**9)
