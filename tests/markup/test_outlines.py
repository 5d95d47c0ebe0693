"""Outlines are read more kindly than they should be written, and every kindness is noted."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.growth import grows_linearly, repeated
from tests.markup.trajectories import PRODUCTS, block, messes
from weaver_sdk.markup import MULTIVERSE, NPR, THREADWEAVER, Dialect, read_outlines


def read(text: str, dialect: Dialect = THREADWEAVER) -> tuple[list[tuple[str, str]], list[str]]:
    """The outlines as pairs, and the kinds of repair."""
    found = read_outlines(text, dialect)
    assert all(repair.done for repair in found.repairs)
    return [(each.label, each.text) for each in found.outlines], [repair.kind for repair in found.repairs]


def read_listed(*lines: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Read a list of these lines, in its tags."""
    return read("\n".join(["<Parallel>", "<Outlines>", *lines, "</Outlines>"]))


AB = [("1", "a"), ("2", "b")]


@pytest.mark.parametrize("end", ["</Outlines>", "</Outlines>\n", ""])
def test_a_list_is_read_with_its_closing_tag_or_without(end: str) -> None:
    text = f"<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n{end}"
    assert read(text) == (AB, [])


@pytest.mark.parametrize(
    "entry",
    ["1: a", " 1: a", "1:a", "\n1:\n a\n", "1 : a", "\r\n1: a\r\n", "1. a", "1) a"],
)
def test_white_space_and_the_mark_behind_the_number_do_not_matter(entry: str) -> None:
    assert read_listed(f"<Outline>{entry}</Outline>", "<Outline>2: b</Outline>") == (AB, [])


def test_an_outline_may_span_lines_and_hold_colons_and_braces() -> None:
    outlines, repairs = read_listed("<Outline>1: a: {x}\n then <b></Outline>", "<Outline>2: b</Outline>")
    assert (outlines, repairs) == ([("1", "a: {x}\n then <b>"), ("2", "b")], [])


@pytest.mark.parametrize(
    "lines",
    [
        ["<Outline>1: a", "<Outline>2: b</Outline>"],
        ["<Outline>1: a</Outline>", "<Outline>2: b"],
        ["<Outline>1: a", "<Outline>2: b"],
        ["<Outline>1: a</Outline></Outline>", "<Outline>2: b</Outline>"],
    ],
)
def test_an_unclosed_outline_ends_at_the_next_or_at_the_end(lines: list[str]) -> None:
    assert read_listed(*lines) == (AB, ["unclosed_outline"])


@pytest.mark.parametrize(
    "labels", [("0", "1"), ("2", "3"), ("1", "3"), ("2", "1"), ("1.1", "1.2"), ("1", "01")]
)
def test_odd_numbers_stay_as_written_where_no_two_are_the_same(labels: tuple[str, str]) -> None:
    lines = [f"<Outline>{label}: x</Outline>" for label in labels]
    assert read_listed(*lines) == ([(label, "x") for label in labels], ["outline_numbers"])


def test_repeated_numbers_are_replaced_by_places() -> None:
    outlines, repairs = read_listed(*(f"<Outline>{entry}</Outline>" for entry in ("1: a", "1: b", "2: c")))
    assert (outlines, repairs) == ([("1", "a"), ("2", "b"), ("3", "c")], ["outline_numbers"])


def test_an_outline_written_twice_is_one() -> None:
    text = block(" x\n", " y\n").replace("</Outlines>", "<Outline>2: Part 2.</Outline></Outlines>")
    found = read_outlines(text[: text.index("<Thread>")], THREADWEAVER)
    assert [outline.label for outline in found.outlines] == ["1", "2"]
    assert [repair.kind for repair in found.repairs] == ["outline_numbers"]
    assert "merged" in found.repairs[0].done


@pytest.mark.parametrize("entry", ["a", "1.5 litres", "1999: a year"])
def test_an_outline_without_a_number_gets_its_place(entry: str) -> None:
    outlines, repairs = read_listed(f"<Outline>{entry}</Outline>", "<Outline>2: b</Outline>")
    assert (outlines, repairs) == ([("1", entry), ("2", "b")], ["outline_numbers"])


def test_an_empty_outline_stays_if_it_has_a_number() -> None:
    assert read_listed("<Outline>1:</Outline>", "<Outline>2: b</Outline>") == (
        [("1", ""), ("2", "b")],
        ["empty_outline"],
    )


def test_an_empty_outline_without_a_number_is_left_out() -> None:
    lines = ["<Outline>1: a</Outline>", "<Outline> </Outline>", "<Outline>2: b</Outline>"]
    assert read_listed(*lines) == (AB, ["empty_outline"])


def test_numbered_lines_are_read_where_there_is_no_tag_of_an_outline() -> None:
    assert read_listed("Three parts:", "1: a", "2. b", "  and more") == (
        [("1", "a"), ("2", "b\n  and more")],
        ["untagged_outlines"],
    )


def test_outlines_without_a_block_are_read() -> None:
    text = "<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
    assert read(text) == (AB, ["missing_block_tag"])
    assert read(f"<Parallel>\nx</Parallel>\n{text}") == (AB, ["missing_block_tag"])
    assert read(f"{PRODUCTS}{text}") == (AB, ["missing_block_tag"])


def test_a_family_without_a_block_tag_misses_none() -> None:
    assert read("<guideline>\n<plan>1: a</plan>\n<plan>2: b</plan>\n</guideline>", NPR) == (AB, [])


def test_one_outline_is_noted() -> None:
    assert read_listed("<Outline>1: a</Outline>") == ([("1", "a")], ["single_outline"])


@pytest.mark.parametrize("inside", ["", "\n", "no list at all", "<Outline></Outline>"])
def test_no_outline_is_noted(inside: str) -> None:
    outlines, repairs = read(f"<Parallel><Outlines>{inside}</Outlines>")
    assert (outlines, repairs[-1]) == ([], "unreadable_outlines")


@pytest.mark.parametrize("text", ["", "<Parallel>\n", "so </Outlines>", "<Outline>1: a</Outline></Outlines>"])
def test_no_list_is_noted(text: str) -> None:
    assert read(text) == ([], ["unreadable_outlines"])


@pytest.mark.parametrize(
    "behind", ["</Outlines>", "x", "<Thread>", "\n<Thread>\n1: x\n</Thread>\n</Outlines>"]
)
def test_a_list_that_is_over_is_not_read_again(behind: str) -> None:
    text = "<Parallel><Outlines><Outline>1: a</Outline><Outline>2: b</Outline></Outlines>"
    assert read(text) == (AB, [])
    assert read(text + behind) == ([], ["unreadable_outlines"])


def test_the_last_list_is_read() -> None:
    second = "<Parallel><Outlines><Outline>1: a</Outline><Outline>2: b</Outline></Outlines>"
    assert read(PRODUCTS + second) == (AB, [])


@pytest.mark.parametrize("tag", ["<Parallel>", "<Outlines>", "<Outline>", "</Outline>", "</Outlines>"])
def test_tags_in_other_letter_case_are_read(tag: str) -> None:
    text = "<Parallel><Outlines><Outline>1: a</Outline><Outline>2: b</Outline></Outlines>"
    assert read(text.replace(tag, tag.upper())) == (AB, ["tag_spelling"])


def test_other_tags_in_the_list_are_left_out() -> None:
    assert read_listed("<Outline>1: <Thread>a</Outline>", "<Outline>2: b</Outline>") == (AB, ["stray_tag"])


def test_dotted_numbers_are_in_order_where_the_dialect_nests_so() -> None:
    text = "<Parallel><Goal><Outline>2.1: a</Outline><Outline>2.2: b</Outline></Goal>"
    assert read(text, MULTIVERSE) == ([("2.1", "a"), ("2.2", "b")], [])
    assert read(text.replace("2.2", "2.4"), MULTIVERSE)[1] == ["outline_numbers"]


@given(messes())
def test_any_text_can_be_read(text: str) -> None:
    found = read_outlines("<Outlines>" + text, THREADWEAVER)
    labels = [outline.label for outline in found.outlines]
    assert all(labels)
    assert len(set(labels)) == len(labels)
    assert found.outlines or found.repairs


@pytest.mark.parametrize("text", ["1.", "1: a\n", "<Outline>", "1" * 9, " ", "</Outlines>", "<Outlines>"])
def test_a_long_list_takes_linear_time(text: str) -> None:
    assert grows_linearly(repeated(text), lambda long: read_outlines("<Outlines>" + long, THREADWEAVER))
