"""The opening of an answer is known as one before the rest is there."""

from __future__ import annotations

import asyncio

import pytest

from weaver_sdk.strategies.opening import OpeningWatch


def opening_of(*chunks: str) -> str:
    shown: list[int] = [0]
    watch = OpeningWatch(shown.append)
    for chunk in chunks:
        assert list(watch.feed(chunk)) == [("answer", chunk)]
    return "".join(chunks)[: shown[-1]]


@pytest.mark.parametrize(
    "line", ["Sure, here are three texts:", "Voici trois textes.", "The three databases, side by side:"]
)
def test_a_greeting_and_a_line_with_a_colon_are_openings(line: str) -> None:
    assert opening_of(*line, "\n", "\nText.") == line


@pytest.mark.parametrize(
    "text", ["Dear parents,\n\nWe …", "1. Sleep well: yes\n", "SQLite is small.\n", "## Tea\n", "", "\n"]
)
def test_what_may_be_the_first_part_is_no_opening(text: str) -> None:
    assert opening_of(*text) == ""


def test_a_greeting_is_shown_while_it_is_written() -> None:
    assert opening_of("Certainly! ", "Here ", "are") == "Certainly! Here are"


def test_a_long_one_ends_with_a_sentence() -> None:
    long = "Certainly! " + "word " * 60 + "end."
    assert opening_of(*long, *" More. And more.") == long
    assert opening_of(f"{long} More.") == long


def test_a_long_paragraph_that_is_none_is_given_up() -> None:
    assert opening_of(*("word " * 60 + "end. More:\n")) == ""


async def test_an_opening_that_is_shown_is_waited_for() -> None:
    watch = OpeningWatch(lambda _: None)
    list(watch.feed("Certainly! Here "))
    waiting = asyncio.create_task(watch.ends())
    await asyncio.sleep(0)
    assert not waiting.done()
    list(watch.feed("are two:\n"))
    await waiting


async def test_where_none_is_shown_nothing_is_waited_for() -> None:
    watch = OpeningWatch(lambda _: None)
    list(watch.feed("The "))
    await watch.ends()
