"""What the scanner promises: the same tags however a text is cut, at once, in linear time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import grows_linearly, repeated
from tests.markup.trajectories import PRODUCTS, merged, messes
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import DIALECTS, NPR, THREADWEAVER, Dialect, Scanner, Tag, Text, has_escaped_tags, scan
from weaver_sdk.markup.scanner import Token


def fed(chunks: list[str], dialect: Dialect = THREADWEAVER) -> list[Token]:
    scanner = Scanner(dialect)
    return [token for chunk in chunks for token in scanner.feed(chunk)] + scanner.close()


def tags(text: str) -> list[str]:
    return [token.text for token in scan(text, THREADWEAVER) if isinstance(token, Tag)]


@given(messes(), st.lists(st.integers(0, 400)))
def test_tokens_do_not_depend_on_how_the_text_was_cut(text: str, cuts: list[int]) -> None:
    at = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(at)]
    assert merged(fed(chunks)) == merged(scan(text, THREADWEAVER))
    assert merged(fed(list(text))) == merged(scan(text, THREADWEAVER))


@given(messes())
def test_tokens_are_the_text_without_a_gap(text: str) -> None:
    end = 0
    for token in fed(list(text)):
        assert token.start == end
        assert text[token.start : token.end] == token.text
        end = token.end
    assert end == len(text)


@given(messes(NPR))
def test_no_more_is_held_back_than_may_become_a_tag(text: str) -> None:
    scanner = Scanner(NPR)
    given_back = 0
    for place, character in enumerate(text, start=1):
        given_back += sum(len(token.text) for token in scanner.feed(character))
        held = text[given_back:place]
        assert len(held) < len("</guideline>")
        assert not held or any(
            tag.startswith(held.lower()) for pair in NPR.tags().values() for tag in map(str.lower, pair)
        )


def test_text_that_cannot_become_a_tag_comes_at_once() -> None:
    scanner = Scanner(THREADWEAVER)
    assert scanner.feed("a < b") == [Text("a < b", 0)]
    assert scanner.feed(" and <Thr") == [Text(" and ", 5)]
    assert scanner.feed("ee") == [Text("<Three", 10)]
    assert scanner.feed("") == []


def test_a_tag_tells_its_name_place_and_spelling() -> None:
    assert fed(["so</Out", "LINES", "><Thread>"]) == [
        Text("so", 0),
        Tag("outlines", True, "</OutLINES>", 2, exact=False),
        Tag("thread", False, "<Thread>", 13, exact=True),
    ]
    assert Tag("thread", False, "<Thread>", 13, exact=True).end == 21


def test_an_unfinished_tag_is_text_at_the_end() -> None:
    assert merged(fed(["so</Outlines"])) == [("text", ("so</Outlines", 0))]


@pytest.mark.parametrize(
    "text", ["</ Thread>", "<Thread >", "< Thread>", "&lt;Thread&gt;", r"\<Thread>", "<Thrеad>", "<ThreaK>"]
)
def test_white_space_escapes_and_strange_letters_make_plain_text(text: str) -> None:
    assert tags(text) == []


def test_letters_beyond_ascii_are_no_other_case_of_a_letter() -> None:
    assert tags("<thin\N{KELVIN SIGN}>") == []
    assert tags("<Outline\N{LATIN SMALL LETTER LONG S}>") == []


def test_one_backslash_escapes_a_tag_and_a_line_end_of_latex_does_not() -> None:
    assert tags("x\\<Thread>") == []
    assert tags("x\\\\<Thread>") == ["<Thread>"]
    assert merged(fed(list("x\\<Thread>"))) == [("text", ("x\\<Thread>", 0))]


@pytest.mark.parametrize(
    "text",
    [
        "&lt;Thread&gt;",
        "&lt;/Outlines>",
        "&#60;Parallel&#62;",
        "&#x3c;Parallel&#x3E;",
        r"\<Thread>",
        r"\<Outlines\>",
        r"<\/Thread>",
        r"\u003coutline\u003e",
    ],
)
def test_escaped_tags_are_found_to_explain_why_a_run_did_not_fork(text: str) -> None:
    assert has_escaped_tags(f"so {text} it", THREADWEAVER)


@pytest.mark.parametrize(
    "text", [PRODUCTS, "a &lt; b", "&lt;think&gt;", r"\<b>", "Thread>", "&lt;Threads&gt;"]
)
def test_other_text_is_not_taken_for_an_escaped_tag(text: str) -> None:
    assert not has_escaped_tags(text, THREADWEAVER)


def scan_by_character(text: str) -> None:
    scanner = Scanner(THREADWEAVER)
    for character in text:
        scanner.feed(character)
    scanner.close()


@pytest.mark.parametrize("text", ["<", "</Outline", "<Thread>x", "<think", "\\", "<\\", "<<Thread>"])
def test_hostile_text_in_single_characters_takes_linear_time(text: str) -> None:
    assert grows_linearly(repeated(text), scan_by_character)


@pytest.mark.parametrize("text", [PRODUCTS, "word "], ids=["tagged", "plain"])
def test_a_long_stream_in_single_characters_takes_linear_time(text: str) -> None:
    assert grows_linearly(repeated(text), scan_by_character, start=200_000)


@pytest.mark.parametrize("text", ["<", "</Outline"])
def test_a_long_text_in_one_piece_takes_linear_time(text: str) -> None:
    assert grows_linearly(repeated(text), lambda long: scan(long, THREADWEAVER))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_tag_of_every_dialect_is_found(dialect: Dialect) -> None:
    for name, pair in dialect.tags().items():
        for closing, tag in zip((False, True), pair, strict=True):
            assert fed(list(tag), dialect) == [Tag(name, closing, tag, 0, exact=True)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"thread": ("[Thread]", "[/Thread]"), "seed": "[Thread]"}, "not a tag"),
        ({"thread": ("<a<b>", "</Thread>"), "seed": "<a<b>"}, "not a tag"),
        ({"outline": ("<thread>", "</Outline>")}, "used twice"),
        ({"seed": "\n<Thread>\n{label}:"}, "must begin with <Thread>"),
    ],
)
def test_a_dialect_that_cannot_be_read_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        replace(THREADWEAVER, **change)  # type: ignore[arg-type]
