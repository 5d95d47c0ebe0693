"""How many tokens come back as other ones."""

import re

from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.backends.base import Span
from weaver_sdk.backends.drift import drift_tokens

VOCABULARY = ["abc", "ab", "bc", "a", "b", "c", " ", "<", ">"]
_LONGEST = re.compile("|".join(map(re.escape, VOCABULARY)))


def tokens(text: str) -> tuple[int, ...]:
    """What a tokenizer makes of a text: the longest piece first."""
    return tuple(VOCABULARY.index(piece) for piece in _LONGEST.findall(text))


def written(*pieces: str) -> Span:
    """What a model wrote, piece by piece, whatever a tokenizer would have made of it."""
    return Span("".join(pieces), tuple(VOCABULARY.index(piece) for piece in pieces))


def drift(*spans: Span) -> int:
    return drift_tokens(spans, tokens("".join(span.text for span in spans)))


def test_text_that_comes_back_as_it_was_has_not_drifted() -> None:
    assert drift(Span("<"), written("abc", " ", "ab"), Span(">"), written("bc", "a")) == 0


def test_what_the_tokenizer_cuts_otherwise_is_counted() -> None:
    assert drift(Span("<"), written("c", " ", "a", "b", " ", "c"), Span(">")) == 2


def test_a_cut_over_the_end_of_a_stretch_is_counted() -> None:
    assert drift(written("c", " ", "a"), Span("b>"), written(" ", "c")) == 1


def test_all_of_it_may_be_other_tokens() -> None:
    assert drift(written("a", "b", "c")) == 3


def test_text_of_the_client_has_no_tokens_to_lose() -> None:
    assert drift(Span("abc"), Span("ab<")) == 0


def test_a_stretch_is_not_found_where_it_does_not_stand() -> None:
    """The same tokens further on are those of another stretch."""
    one = written("a", "b")
    assert drift(Span("<"), one, Span(">" + "c" * 40), written("c", " ")) == 2


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(VOCABULARY), max_size=8)), max_size=8))
def test_an_input_that_is_made_of_the_tokens_themselves_never_drifts(
    parts: list[tuple[bool, list[str]]],
) -> None:
    spans = [written(*pieces) if by_model else Span("".join(pieces)) for by_model, pieces in parts]
    sent = [token for span in spans for token in (tokens(span.text) if span.ids is None else span.ids)]
    assert drift_tokens(spans, sent) == 0


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(VOCABULARY), max_size=8)), max_size=8))
def test_drift_is_never_more_than_was_written(parts: list[tuple[bool, list[str]]]) -> None:
    spans = [written(*pieces) if by_model else Span("".join(pieces)) for by_model, pieces in parts]
    count = drift(*spans)
    assert 0 <= count <= sum(len(span.ids or ()) for span in spans)
    expected = [token for span in spans for token in (tokens(span.text) if span.ids is None else span.ids)]
    if tuple(expected) == tokens("".join(span.text for span in spans)):
        assert count == 0
