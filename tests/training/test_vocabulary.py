"""The vocabulary reads any text and gives it back. Nothing here needs torch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training import vocabulary
from training.vocabulary import decode, encode
from weaver_sdk.markup import THREADWEAVER


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert decode(encode(text)) == text


def test_every_tag_of_the_dialect_is_one_token() -> None:
    pairs = THREADWEAVER.tags().values()
    assert all(len(encode(tag)) == 1 for pair in pairs for tag in pair)


@given(st.text("<>/Thread1: \n="), st.sampled_from(vocabulary.TAGS), st.text("<>/Thread1: \n="))
def test_text_that_is_cut_behind_a_tag_and_joined_again_has_the_same_tokens(a: str, tag: str, b: str) -> None:
    assert encode(a + tag) + encode(b) == encode(a + tag + b)


def test_the_instruction_is_that_of_the_dialect() -> None:
    assert THREADWEAVER.instruction == vocabulary.INSTRUCTION
