"""The main line without its markup: the same for every way the text is cut into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.cli.prose import Prose
from weaver_sdk.markup.dialect import DIALECTS, Dialect

BEFORE = (
    "<think>\nWe add the products.\nAll at once.\n"
    "<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n</Outlines>"
)
AFTER = "\n</Parallel>\n4042 + 1116\nis 5158\n</think>\n\\boxed{5158}"


def chunks(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.lists(st.integers(0, 500), max_size=20))
def test_any_chunking_settles_the_same_text(cuts: list[int]) -> None:
    prose = Prose()
    settled = "".join(prose.add(chunk) for chunk in chunks(BEFORE, cuts)) + prose.fork()
    assert settled.split("\n") == ["We add the products.", "All at once.", ""]
    settled = "".join(prose.add(chunk) for chunk in chunks(AFTER, cuts))
    assert settled.strip() == "4042 + 1116\nis 5158"
    assert prose.answering
    assert prose.end() == "\n\\boxed{5158}"


def test_outlines_are_held_back_until_the_fork() -> None:
    prose = Prose()
    assert prose.add("Plan:\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n") == "Plan:\n"
    assert prose.planning
    assert prose.shown() == "1: a\n"
    assert prose.fork() == ""
    assert not prose.planning


def test_outlines_that_no_fork_came_of_are_text() -> None:
    prose = Prose()
    prose.add("<Parallel>\n<Outlines>\n<Outline>nothing to read</Outline>\n</Outlines>")
    assert prose.add("\nso I go on\n") == "nothing to read\nso I go on\n"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_every_dialect_is_read_where_none_was_named(dialect: Dialect) -> None:
    prose = Prose(tuple(DIALECTS.values()))
    opener = (dialect.block or dialect.outlines)[0]
    outline = f"{dialect.outline[0]}1: a{dialect.outline[1]}\n"
    assert prose.add(f"Plan:\n{opener}\n{dialect.outlines[0]}\n{outline}") == "Plan:\n"
    assert prose.planning
    assert prose.shown() == "1: a\n"
    prose.add(dialect.outlines[1])
    assert prose.fork() == ""


def test_half_a_tag_is_not_shown() -> None:
    prose = Prose()
    prose.add("and now <Paral")
    assert prose.shown() == "and now "


@pytest.mark.parametrize("text", ["1 < 2 and so on", "a <b> c"])
def test_what_is_no_tag_stays(text: str) -> None:
    prose = Prose()
    assert prose.add(text + "\n") == text + "\n"


def test_a_line_without_end_is_let_go() -> None:
    prose = Prose()
    settled = "".join(prose.add("word ") for _ in range(2_000))
    assert len(settled) > 4_000
    assert len(prose.raw) < 8_000
