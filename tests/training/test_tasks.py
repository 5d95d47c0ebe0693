"""What every generator of problems promises. Nothing here needs torch."""

from __future__ import annotations

import itertools
import re

import pytest

from training.tasks import TASKS, ByDigits, Fork, Problem, Products, SumsOfProducts, problems
from training.tasks.working import addition, comparison, product, row, subtraction
from weaver_sdk.markup import THREADWEAVER
from weaver_sdk.markup.well_formed import check_well_formed

SEED = 7
COUNT = 300

each_task = pytest.mark.parametrize("name", sorted(TASKS))


def drawn(name: str, seed: int = SEED) -> list[Problem]:
    return list(itertools.islice(problems(TASKS[name], seed), COUNT))


def value_of(question: str) -> int:
    """The answer by Python's own arithmetic, from nothing but the words of the question."""
    numbers = re.sub(r"×", "*", question)
    expressions = re.findall(r"\d+(?:\s*[*+-]\s*\d+)*", numbers)
    values = [eval(expression) for expression in expressions]
    if re.search(r"largest|maximum|greatest|max", question):
        return max(values)
    if re.search(r"smallest|minimum|least|min", question):
        return min(values)
    (value,) = values
    return int(value)


@each_task
def test_the_same_seed_gives_the_same_problems_and_another_seed_others(name: str) -> None:
    assert drawn(name) == drawn(name)
    assert drawn(name) != drawn(name, SEED + 1)


@each_task
def test_the_answer_is_that_of_the_question_as_worded(name: str) -> None:
    for problem in drawn(name):
        assert value_of(problem.question) == int(problem.answer), problem.question


@each_task
def test_every_parallel_solution_is_well_formed_and_boxes_the_answer(name: str) -> None:
    for problem in drawn(name):
        text = problem.trajectory.parallel()
        check_well_formed(text, THREADWEAVER)
        assert text.endswith(f"\\boxed{{{problem.answer}}}")


@each_task
def test_the_sequential_solution_has_the_same_steps_and_no_markup(name: str) -> None:
    for problem in drawn(name):
        text = problem.trajectory.sequential()
        assert "<Thread>" not in text
        assert "<Outline>" not in text
        for step in problem.trajectory.steps:
            bodies = [thread.body for thread in step.threads] if isinstance(step, Fork) else [step]
            assert all(body in text for body in bodies)


@each_task
def test_every_equation_in_a_solution_is_true(name: str) -> None:
    for problem in drawn(name):
        text = problem.trajectory.sequential()
        for left, digit, carry, result in re.findall(r"(\d)\*(\d)\+(\d)=(\d\d)", text):
            assert int(left) * int(digit) + int(carry) == int(result)
        for left, sign, right, result in re.findall(r"(\d{6})([+-])(\d{6})=(\d{6})", text):
            value = int(left) + int(right) if sign == "+" else int(left) - int(right)
            assert value % 10**6 == int(result[::-1])


def test_problems_of_one_step_never_fork() -> None:
    assert all(problem.trajectory.forks == 0 for problem in drawn("one-step"))


@pytest.mark.parametrize("name", ["sums", "extremes"])
def test_problems_of_several_terms_fork_once_with_a_thread_a_term(name: str) -> None:
    for problem in drawn(name):
        (fork,) = [step for step in problem.trajectory.steps if isinstance(step, Fork)]
        assert len(fork.threads) == problem.terms


def test_a_product_of_four_long_factors_forks_twice() -> None:
    found = [p for p in drawn("products") if p.terms == 4 and p.trajectory.forks == 2]
    assert found


def test_ranges_are_kept() -> None:
    for problem in itertools.islice(
        problems(SumsOfProducts(max_terms=3, factors=ByDigits(2, 1)), SEED), COUNT
    ):
        assert problem.terms <= 3
        assert max(len(digits) for digits in re.findall(r"\d+", problem.question)) <= 2
    for problem in itertools.islice(problems(Products(below=5000), SEED), COUNT):
        assert int(problem.answer) < 5000


def test_a_byte_of_a_parallel_solution_is_where_the_format_says() -> None:
    problem = drawn("extremes")[0]
    text = problem.trajectory.parallel()
    assert text.startswith("<think>\n<Parallel>\n<Outlines>\n<Outline>1: ")
    assert "</Outlines>\n<Thread>\n1: " in text
    assert "\n</Thread><Thread>\n2: " in text
    assert "\n</Thread>\n</Parallel>\n" in text


def test_the_written_arithmetic_reads_as_documented() -> None:
    assert row(47, 6) == "7*6+0=42 4*6+4=28: 000282"
    assert row(47, 8, zeros=1) == "7*8+0=56 4*8+5=37: 003760"
    assert addition(4042, 1116) == "004042+001116=851500"
    assert subtraction(5158, 1798) == "005158-001798=063300"
    assert subtraction(347, 586) == "000347-000586=167999 000586-000347=932000 neg"
    assert comparison(4042, 1116) == "004042 001116 ==>"
    assert product(47, 6) == "47*6; 7*6+0=42 4*6+4=28: 000282"
    assert product(6, 47) == "6*47 47*6; 7*6+0=42 4*6+4=28: 000282"


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        addition(999_999, 1)
