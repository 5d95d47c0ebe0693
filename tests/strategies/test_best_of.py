"""Several attempts at a question, and a judge that takes one of them."""

import threading

import pytest

from tests.runtime.play import play, threads
from weaver_sdk.errors import APIStatusError, ConfigurationError
from weaver_sdk.options import Budget
from weaver_sdk.strategies.best_of import BestOf
from weaver_sdk.testing import Reply, ScriptedBackend


def attempts(*replies: str | Reply, judge: str | Reply = "") -> ScriptedBackend:
    """Answers the attempts in this order, and the judge's question at last."""
    table = [Reply(reply, "Q") if isinstance(reply, str) else reply for reply in replies]
    return ScriptedBackend([*table, judge] if judge else table)


async def length(text: str) -> float:
    return len(text)


@pytest.mark.parametrize("judge", [len, length])
async def test_a_judge_takes_the_attempt_that_it_likes_best(judge: object) -> None:
    result = await play(attempts("ok", "the best", "good"), strategy=BestOf(n=3, judge=judge))  # type: ignore[arg-type]
    assert result.answer == result.text == "the best"
    assert result.telemetry.requests == 3


async def test_of_attempts_that_are_liked_alike_the_first_is_taken() -> None:
    result = await play(attempts("first", "second"), strategy=BestOf(n=2, judge=lambda _: 1.0))
    assert result.answer == "first"


async def test_a_judge_that_is_not_async_holds_the_event_loop_up_for_nobody() -> None:
    seen: set[threading.Thread] = set()

    def judge(text: str) -> float:
        seen.add(threading.current_thread())
        return 0.0

    await play(attempts("one", "two"), strategy=BestOf(n=2, judge=judge))
    assert threading.main_thread() not in seen


async def test_what_a_judge_raises_comes_out_as_it_is() -> None:
    bug = ZeroDivisionError("mine")

    def judge(text: str) -> float:
        raise bug

    with pytest.raises(ZeroDivisionError) as caught:
        await play(attempts("one", "two"), strategy=BestOf(n=2, judge=judge))
    assert caught.value is bug
    assert len(threads(bug.__dict__["result"])) == 2


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("2", "two"),
        ("Number 3 is.", "three"),
        ("[2]", "two"),
        ("9, or 2", "two"),
        ("none", "one"),
        ("", "one"),
    ],
)
async def test_the_model_is_the_judge_where_no_other_is_given(said: str, taken: str) -> None:
    backend = attempts("one", "two", "three", judge=Reply(said))
    result = await play(backend, strategy=BestOf(n=3))
    assert result.answer == taken
    assert all(
        f"[{number}]\n{text}" in backend.requests[3].text for number, text in ((1, "one"), (3, "three"))
    )
    assert result.text == taken


async def test_another_model_may_be_the_judge() -> None:
    main, small = attempts("one", "two"), ScriptedBackend([Reply("2")])
    result = await play(main, strategy=BestOf(n=2, model="small"), models={"small": small})
    assert result.answer == "two"
    assert (len(main.requests), len(small.requests)) == (2, 1)


async def test_a_single_attempt_needs_no_judge() -> None:
    failed = Reply("half", "Q", error=APIStatusError("no", status=400))
    result = await play(attempts(failed, "whole", failed), strategy=BestOf(n=3))
    assert result.answer == "whole"
    assert result.telemetry.requests == 3


async def test_attempts_that_were_cut_are_judged_where_there_is_no_whole_one() -> None:
    long = [Reply(f" {letter}" * 40, "Q") for letter in "ab"]
    strategy = BestOf(n=2, judge=lambda text: text.count("b"))
    result = await play(attempts(*long), strategy=strategy, budget=Budget(thread_tokens=5))
    assert result.answer == "b b b b b"


async def test_without_any_attempt_it_is_asked_once_more() -> None:
    assert (await play(attempts("", "", "at last"), strategy=BestOf(n=2))).answer == "at last"


async def test_a_budget_that_is_spent_leaves_the_best_of_those_that_ended() -> None:
    long = Reply(" word" * 1000, "Q")
    strategy = BestOf(n=4, judge=len)
    result = await play(attempts("ok", long, "good", long), strategy=strategy, budget=Budget(total_tokens=40))
    assert (result.answer, result.finish) == ("good", "budget")


def test_less_than_one_attempt_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="n=0: use a whole number, 1 or more"):
        BestOf(n=0)
