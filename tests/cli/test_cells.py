"""Text for a terminal: harmless whatever a model writes, and never wider than asked."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from weaver_sdk.cli.cells import cut, cut_head, last_lines, one_line, safe, wrap

ANY_TEXT = st.text(max_size=120)
WILD = st.lists(
    st.sampled_from(
        ["\x1b[31m", "\x9b0m", "\r", "\t", "世界", "👩‍👩‍👧", "e\u0301", "\u202e", "[bold]", " ", "\n", "ab"]
    ),
    max_size=40,
).map("".join)
TEXT = st.one_of(ANY_TEXT, WILD)
WIDTH = st.integers(1, 90)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a\tb", "a    b"),
        ("\x9b31m", "\ufffd31m"),
        ("abc\u202ecba", "abc\ufffdcba"),
        ("\ud800", "\ufffd"),
        ("[bold]not bold[/bold] :smile:", "[bold]not bold[/bold] :smile:"),
        ("世界 👩‍👩‍👧", "世界 👩‍👩‍👧"),
    ],
)
def test_what_a_terminal_would_obey_is_made_visible(written: str, shown: str) -> None:
    assert safe(written) == shown


@given(TEXT)
def test_safe_text_holds_no_control_but_the_newline(text: str) -> None:
    for char in safe(text):
        assert char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}
    safe(text).encode()


@given(TEXT)
def test_one_line_is_one_line(text: str) -> None:
    assert "\n" not in one_line(text)


@given(TEXT, WIDTH)
def test_a_cut_text_fits(text: str, width: int) -> None:
    assert cell_len(cut(one_line(text), width)) <= width
    assert cell_len(cut_head(one_line(text), width)) <= width


@given(TEXT, WIDTH)
def test_wrapped_lines_fit_and_lose_nothing_but_white_space(text: str, width: int) -> None:
    text = safe(text)
    lines = list(wrap(text, width))
    assert all(cell_len(line) <= width for line in lines)
    if width >= 2:  # in one column a wide character has no place
        assert "".join("".join(lines).split()) == "".join(text.split())


@given(TEXT, WIDTH, st.integers(0, 9))
def test_the_last_lines_fit(text: str, width: int, count: int) -> None:
    lines = last_lines(safe(text), width, count)
    assert len(lines) <= count
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("text", "width", "cut_text"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("世界世界", 5, "世界…"), ("x", 0, "")],
)
def test_a_cut_says_that_something_is_missing(text: str, width: int, cut_text: str) -> None:
    assert cut(text, width) == cut_text


def test_a_line_breaks_at_spaces_and_words_too_long_break_anywhere() -> None:
    assert list(wrap("we add the two products", 11)) == ["we add the", "two", "products"]
    assert list(wrap("abcdefghijkl", 5)) == ["abcde", "fghij", "kl"]


def test_the_last_lines_are_the_last() -> None:
    assert last_lines("one\ntwo\n\nthree four five", 10, 2) == ["three four", "five"]
    assert last_lines("", 10, 3) == []
