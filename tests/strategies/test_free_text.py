"""Any text without a tag, as a grammar: what it takes and what it leaves out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies.gbnf import matches
from weaver_sdk.markup import DIALECTS
from weaver_sdk.strategies.free_text import free_line, free_text, quoted

TAGS = [tag for dialect in DIALECTS.values() for pair in dialect.tags().values() for tag in pair]
ODD_TAGS = ["<a-b>", "</a-b>", "<]>", "<^x>", '<"q">', "<\\>"]

PIECES = st.one_of(
    st.sampled_from(TAGS),
    st.sampled_from(TAGS).flatmap(lambda tag: st.integers(1, len(tag)).map(lambda cut: tag[:cut])),
    st.sampled_from(["<", ">", "/", "\\", "\n", " ", "{", "}", "a < b", "<b>bold</b>", "é", "K"]),
    st.text(max_size=3),
)
TEXTS = (
    st.lists(PIECES, max_size=6)
    .map("".join)
    .map(lambda text: text.swapcase() if len(text) % 3 == 0 else text)
)


def holds_tag(text: str, tags: list[str]) -> bool:
    return re.search("|".join(map(re.escape, tags)), text, re.IGNORECASE | re.ASCII) is not None


def grammar(root: str, tags: list[str]) -> str:
    return "\n".join([f"root ::= {root}", *free_text(tags)])


@given(TEXTS)
def test_free_text_is_every_text_without_a_tag(text: str) -> None:
    assert matches(grammar("text", TAGS), text) == (not holds_tag(text, TAGS))


@given(TEXTS)
def test_some_text_is_not_empty_and_begins_with_no_white_space(text: str) -> None:
    begins = text[:1] not in ("", " ", "\t", "\r", "\n")
    assert matches(grammar("some", TAGS), text) == (begins and not holds_tag(text, TAGS))


@given(TEXTS)
def test_a_text_ends_at_its_own_tag_and_nowhere_else(text: str) -> None:
    ends = grammar(f"text {quoted('</Thread>')}", TAGS)
    assert matches(ends, f"{text}</Thread>") == (not holds_tag(text, TAGS))


@given(st.lists(st.sampled_from([*ODD_TAGS, *'<>ab-]^"\\/x']), max_size=6).map("".join))
def test_tags_of_any_characters_are_kept_out(text: str) -> None:
    assert matches(grammar("text", ODD_TAGS), text) == (not holds_tag(text, ODD_TAGS))


@given(TEXTS)
def test_a_line_holds_no_tag_and_no_line_break(text: str) -> None:
    if matches(f"root ::= {free_line(TAGS)}", text):
        assert text.strip()
        assert "\n" not in text
        assert not holds_tag(text, TAGS)


@pytest.mark.parametrize("line", ["Is 3 < 10?", "List<int> in C++", "Python 3.14: what is new", "élan", "x"])
def test_a_line_may_be_an_ordinary_title(line: str) -> None:
    assert matches(f"root ::= {free_line(TAGS)}", line)
