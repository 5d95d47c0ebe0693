"""What the checklists of the whole-answer benchmark promise, on answers written by hand."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.answers.checklist import measured
from benchmarks.answers.ends import is_cut
from benchmarks.answers.pieces import definition, entries
from benchmarks.answers.question import Question
from benchmarks.answers.questions import ONE_PIECE, QUESTIONS, THREE_OR_MORE, TWO
from tests.benchmarks.written import BAD, GOOD

BY_ID = {question.id: question for question in QUESTIONS}


def question(name: str) -> Question:
    return BY_ID[name.partition(",")[0]]


def test_there_are_24_questions_that_divide_and_12_that_do_not() -> None:
    assert (len(THREE_OR_MORE), len(TWO), len(ONE_PIECE)) == (20, 4, 12)
    assert len(BY_ID) == 36
    assert {len(question.parts) for question in THREE_OR_MORE} == {3, 4, 5}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_holds_every_part_however_it_is_laid_out(name: str) -> None:
    found = measured(question(name), GOOD[name])
    assert (found.missing, found.repeated, found.cut) == ((), 0, 0)


@pytest.mark.parametrize(("name", "answer", "lacks"), BAD)
def test_a_bad_answer_lacks_just_the_parts_that_are_not_there(
    name: str, answer: str, lacks: set[str]
) -> None:
    assert set(measured(question(name), answer).missing) == lacks


@pytest.mark.parametrize("asked", THREE_OR_MORE + TWO, ids=lambda question: question.id)
def test_the_question_said_again_is_no_answer(asked: Question) -> None:
    assert measured(asked, asked.text).missing


@pytest.mark.parametrize("asked", THREE_OR_MORE + TWO, ids=lambda question: question.id)
def test_titles_alone_are_no_answer(asked: Question) -> None:
    titles = re.findall(r"\w[\w ]+", asked.text)
    found = measured(asked, "\n\n".join(f"## {title}" for title in titles))
    assert found.present == 0


def test_a_part_that_stands_under_two_titles_is_repeated() -> None:
    text = "It is a server that nearly every host offers, fast for reads, with many tools and much help."
    answer = f"## SQLite\n{text}\n## PostgreSQL\nStrict types and many extensions.\n## MySQL\n{text}\n"
    assert measured(BY_ID["databases"], answer).repeated == 2


def test_an_answer_given_three_times_is_repeated_in_each_part() -> None:
    found = measured(BY_ID["databases"], "\n\n".join([GOOD["databases"]] * 3))
    assert (found.present, found.repeated) == (3, 3)


def test_a_part_that_stops_within_a_sentence_is_cut_though_another_follows() -> None:
    answer = GOOD["databases"].replace("\ntime can change data.", " time can")
    assert measured(BY_ID["databases"], answer).cut == 1


@pytest.mark.parametrize(
    "body",
    ["    return '\\d' in text", "    return text[::-1]", "\treturn text", "\n    # why\n    return 1"],
)
def test_a_function_with_any_body_is_there(body: str) -> None:
    assert definition(f"```python\ndef is_palindrome(text):\n{body}\n```", "is_palindrome")


@pytest.mark.parametrize(
    "code",
    [
        "def is_palindrome(text):",
        "def is_palindrome(text):\n    pass",
        "def is_palindrome(text):\n    '''Says whether it reads the same backwards.'''",
        "def is_palindrome_of_numbers(text):\n    return True",
        "def is_palindrome(text):\n    return \0",
        "def is_palindrome(text):\n    return " + "[" * 5000,
    ],
    ids=["head", "pass", "docstring", "another name", "no code", "brackets"],
)
def test_a_function_that_does_nothing_is_not_there(code: str) -> None:
    assert definition(f"```python\n{code}\n```", "is_palindrome") == ""


def test_brackets_without_end_are_no_list() -> None:
    assert entries("[" * 5000) == []


@pytest.mark.parametrize(
    "text",
    [
        "The first thing that you should think about is the number of",
        "Strict types, transactions,",
        "```python\ndef half(number):\n    return number / 2\n",
        "- Bring warm clothes for the evening.\n- Bring good shoes for the long way over the hills",
        "These are the things that you should bring with you to the camp:",
        "It is done.\n\n**Ingredients:**",
        "It is done.\n\n## MySQL",
    ],
)
def test_what_stops_in_the_middle_is_cut(text: str) -> None:
    assert is_cut(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is done.",
        "Is it done?",
        "**It is done.**",
        "Best regards,\nAnna",
        "Best regards,\n[Your Name]",
        "- flour\n- eggs\n- milk and butter",
        "- warm clothes for the evening\n- good shoes for the long way over the hills behind the town",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "```python\nprint(1)\n```",
        "Das Licht ist „blau“",
    ],
)
def test_what_ends_as_texts_end_is_not_cut(text: str) -> None:
    assert not is_cut(text)


@given(st.text() | st.lists(st.sampled_from([*"#*|-`:.\n ", "SQLite", "MySQL", "1. ", "```"])).map("".join))
@example("|\n|")
@example("1. \n**: ")
def test_any_text_can_be_measured(text: str) -> None:
    for asked in QUESTIONS:
        found = measured(asked, text)
        assert 0 <= found.present <= found.asked
        assert found.repeated <= found.present
        assert len(found.missing) == found.asked - found.present


@given(st.sets(st.sampled_from(["SQLite", "PostgreSQL", "MySQL"])), st.permutations(range(3)))
def test_what_is_missing_does_not_depend_on_the_order(left_out: set[str], order: list[int]) -> None:
    text = (
        "It has been used for many years by many shops, and there is much to read about how to run it well."
    )
    sections = [f"## {name}\n{text}" for name in ("SQLite", "PostgreSQL", "MySQL") if name not in left_out]
    shuffled = [sections[at] for at in order if at < len(sections)]
    assert set(measured(BY_ID["databases"], "\n\n".join(shuffled)).missing) == left_out
