"""The packaged model knows its range: it takes what it was trained on, and says why it refuses the rest."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.tasks import Between, Extremes, OneStep, Products, SumsOfProducts, Task
from weaver_sdk import ConfigurationError, ParallelReasoner, QuestionOutOfRange, Scope, WeaverError
from weaver_sdk.models import nano
from weaver_sdk.models.nano_range import outside_range

TASKS: list[Task] = [
    SumsOfProducts(),
    Extremes(),
    OneStep(),
    Products(),
    Products(factors=Between(10, 99), min_factors=4),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@given(seed=st.integers(0, 2**32))
def test_what_it_was_trained_on_is_inside(task: Task, seed: int) -> None:
    assert outside_range(task.sample(random.Random(seed)).question) is None


@pytest.mark.parametrize(
    "question",
    [
        "compute 47*86+93*12",
        "What's 470*86?",
        "  Please calculate 47 × 86\n+ 93 × 12 = ?",
        "What is the largest of 47*86, 93*12, and 58*311?",
        "Min(9092, 55810)",
    ],
)
def test_a_wording_that_it_reads_is_inside(question: str) -> None:
    assert outside_range(question) is None


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What is the capital of France?", "no arithmetic in a form"),
        ("Explain TCP slow start", "no arithmetic in a form"),
        ("", "no arithmetic in a form"),
        ("Compute 47x86", "no arithmetic in a form"),
        ("Compute (47*86) + 93*12", "no arithmetic in a form"),
        ("Compute 047*86", "no arithmetic in a form"),
        ("Compute 12.5*2", "no arithmetic in a form"),
        ("Compute 100/4", "no arithmetic in a form"),
        ("Compute 123*456 + 7*8", "123*456 is more than 3 digits by 2"),
        ("Compute 1234*5", "1234*5 is more than 3 digits by 2"),
        ("Compute 123456 + 1", "123456 has more than 5 digits"),
        ("Compute 2 + 3 + 4", "two plain numbers"),
        ("Compute 12*34 + 5", "two plain numbers"),
        ("Compute 1*2+3*4+5*6+7*8+9*10+11*12+13*14", "7 terms, more than 6"),
        ("Compute 2*3*4", "below 100"),
        ("Compute 99*99*99*99", "above 999999"),
        ("Compute 123*4*5", "more than 2 digits"),
        ("Compute 2*3*4*5*6", "more than four factors"),
        ("What is the largest of 47*86?", "nothing to be compared with"),
        ("What is the largest of Rome and Paris?", "two plain numbers"),
        ("What is the largest of 47*86 and 9300?", "two plain numbers"),
        (f"Compute {'9' * 5000} + 1", "more than 5 digits"),
    ],
)
def test_anything_else_is_outside_and_it_is_told_why(question: str, why: str) -> None:
    assert why in str(outside_range(question))


@given(st.text() | st.text("0123456789*+-×., =?max()ofand"))
def test_whatever_is_asked_has_an_answer_in_words_or_none(question: str) -> None:
    reason = outside_range(question)
    assert reason is None or reason


async def test_a_question_outside_is_refused_with_what_to_do() -> None:
    async with ParallelReasoner.local(max_concurrency=2) as reasoner:
        with pytest.raises(QuestionOutOfRange, match=r"capital|base_url=.*smollm2") as caught:
            await reasoner.solve("What is the capital of France?")
        for strategy in ("native", "voting:n=3"):
            with pytest.raises(QuestionOutOfRange):
                await reasoner.solve("Explain TCP slow start", strategy=strategy)
        assert (await reasoner.solve("Compute 47*86 + 93*12")).answer == "5158"
    assert caught.value.reason == "it is no arithmetic in a form that the model reads"
    assert isinstance(caught.value, WeaverError)
    assert not isinstance(caught.value, ConfigurationError)


async def test_one_question_outside_does_not_stop_the_others() -> None:
    async with ParallelReasoner.local(max_concurrency=2) as reasoner:
        answers = set()
        with pytest.raises(ExceptionGroup) as caught:
            async for one in reasoner.solve_many(["Compute 47*86", "Why?", "Compute 93*12"]):
                answers.add(one.answer)
    assert answers == {"4042", "1116"}
    assert [type(error) for error in caught.value.exceptions] == [QuestionOutOfRange]


async def test_a_strategy_of_ones_own_may_ask_the_packaged_model_anything() -> None:
    async def first_line(scope: Scope) -> None:
        said = await scope.ask(scope.messages[-1]["content"].splitlines()[0])
        scope.write(said.text)

    async with ParallelReasoner.local(max_concurrency=2) as reasoner:
        result = await reasoner.solve("Compute 47*86\nand say it nicely", strategy=first_line)
    assert result.text


async def test_nothing_is_known_of_a_file_so_it_is_asked_anything() -> None:
    async with ParallelReasoner.local(nano(), max_concurrency=2) as reasoner:
        assert (await reasoner.solve("What is the capital of France?")).text
