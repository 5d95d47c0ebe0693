"""Which answers are the same, and what a reply answers."""

import sys
import threading
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.strategies.answers import answer_of, same_answer

ANSWER = st.text(max_size=12) | st.text("0123456789.,/%-+ e\\{}$frac()^!xn", max_size=14)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", " paris. "),
        ("42", "42.0"),
        ("1,234", "1234"),
        ("1{,}234", "1234"),
        ("10 000", "10000"),
        ("0.5", "1/2"),
        ("0.5", r"\frac{1}{2}"),
        ("-0.5", r"-\frac{1}{2}"),
        ("2.5", r"2\frac{1}{2}"),
        ("2.5", "2 1/2"),
        ("50%", "0.5"),
        (r"50\%", "1/2"),
        ("$5", "5"),
        (r"\$5", "5"),
        (r"\text{yes}", "Yes"),
        (r"\left(1,\ 2\right)", "(1, 2)"),
        ("+3", "3"),
        ("1e3", "1000"),
        (".5", "0.5"),
    ],
)
def test_the_same_in_another_form_is_the_same(one: str, other: str) -> None:
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("on", "no"),
        ("42", "43"),
        ("1 2", "12"),
        (r"2\frac{1}{2}", "10.5"),
        ("50%", "50"),
        ("1/0", "2/0"),
        ("Paris", ""),
        ("1,2", "12"),
        ("3 apples", "3 pears"),
    ],
)
def test_what_differs_is_not_the_same(one: str, other: str) -> None:
    assert not same_answer(one, other)
    assert not same_answer(other, one)


@given(ANSWER, ANSWER)
def test_any_two_answers_can_be_compared_either_way_round(one: str, other: str) -> None:
    assert same_answer(one, one)
    assert same_answer(one, other) == same_answer(other, one)


@pytest.mark.parametrize("huge", ["1e999999999", "9" * 5000, "9^{9^{9^9}}", "9**9**9**9", "1/" + "9" * 5000])
def test_no_answer_is_too_big_to_be_compared(huge: str) -> None:
    assert same_answer(huge, huge)
    assert not same_answer(huge, "1")


class Verifier(ModuleType):
    """Takes the place of math-verify: a right answer has the other within it."""

    def __init__(self) -> None:
        super().__init__("math_verify")
        self.asked: list[str] = []

    def parse(self, text: str, parsing_timeout: int) -> list[str]:
        assert parsing_timeout > 0
        self.asked.append(text)
        return [text.strip("$")] if text != "$?$" else []

    def verify(self, gold: list[str], answer: list[str], timeout_seconds: int) -> bool:
        assert timeout_seconds > 0
        return answer[0] in gold[0]


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> Verifier:
    verifier = Verifier()
    monkeypatch.setitem(sys.modules, "math_verify", verifier)
    return verifier


def test_mathematics_is_compared_by_math_verify_either_way_round(verifier: Verifier) -> None:
    assert same_answer("x=5+y", "5+y")
    assert same_answer("5+y", "x=5+y")
    assert not same_answer("x", "y")
    assert not same_answer("?", "y")


@pytest.mark.parametrize(
    "pair", [("on", "no"), ("x", "9^{9^{9}}"), ("x", "10000!"), ("x", "2^{10000}"), ("1", "2")]
)
def test_words_and_what_takes_hours_are_no_mathematics(verifier: Verifier, pair: tuple[str, str]) -> None:
    assert not same_answer(*pair)
    assert verifier.asked == []


def test_outside_the_main_thread_where_nothing_can_be_stopped_it_is_not_asked(verifier: Verifier) -> None:
    same: list[bool] = []
    thread = threading.Thread(target=lambda: same.append(same_answer("x=5+y", "5+y")))
    thread.start()
    thread.join()
    assert same == [False]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (r"So \boxed{41}, no: \boxed{42}", "42"),
        ("<think>\n7?\n</think>\n 42 ", "42"),
        (" 42 ", "42"),
        ("", ""),
    ],
)
def test_a_reply_answers_its_last_box_or_what_follows_its_reasoning(reply: str, answer: str) -> None:
    assert answer_of(reply) == answer
