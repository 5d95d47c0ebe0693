"""Several attempts at a question, and the answer that most of them come to."""

import pytest

from tests.runtime.play import play, threads
from weaver_sdk.errors import APIStatusError, ConfigurationError
from weaver_sdk.options import Budget
from weaver_sdk.strategies.voting import Voting, grouped
from weaver_sdk.testing import Reply, ScriptedBackend


def attempts(*replies: str | Reply) -> ScriptedBackend:
    """Answers the attempts in this order."""
    return ScriptedBackend([Reply(reply) if isinstance(reply, str) else reply for reply in replies])


async def vote(backend: ScriptedBackend, n: int = 5, **options):  # type: ignore[no-untyped-def]
    return await play(backend, strategy=Voting(n=n, instruction=""), **options)


async def test_the_answer_of_the_most_attempts_wins() -> None:
    backend = attempts("no", r"So \boxed{42}", r"\boxed{41}", r"It is \boxed{42.0}.", "42")
    result = await vote(backend)
    assert result.answer == result.text == "42"
    assert result.strategy == "voting"
    assert [thread.outline for thread in threads(result)] == [f"attempt {n}" for n in range(1, 6)]
    assert {request.text for request in backend.requests} == {"Q"}


async def test_the_question_is_followed_by_how_to_answer() -> None:
    backend = attempts(*["1"] * 3)
    await play(backend, strategy=Voting(n=3))
    assert {request.text for request in backend.requests} == {"Q\n" + Voting().instruction}
    assert r"\boxed" in Voting().instruction


async def test_attempts_that_can_change_nothing_any_more_are_cancelled() -> None:
    hangs = Reply("far too long", hangs=True)
    backend = attempts(hangs, "42", "42", "42", hangs)
    result = await vote(backend)
    assert result.answer == "42"
    assert (backend.finished, backend.aborted, backend.running) == (3, 2, 0)
    assert [thread.outcome for thread in threads(result)].count("cancelled") == 2


async def test_as_long_as_another_answer_can_draw_level_the_vote_goes_on() -> None:
    slow = Reply("41 " * 30 + r"\boxed{41}")
    result = await vote(attempts("42", "42", slow, slow), n=4)
    assert [thread.outcome for thread in threads(result)] == ["done"] * 4


async def test_of_answers_with_as_many_votes_the_earlier_attempts_win() -> None:
    late = Reply("hm " * 9 + r"\boxed{first}")
    assert (await vote(attempts(late, "second", "second", late), n=4)).answer == "first"


async def test_attempts_that_failed_or_said_nothing_have_no_vote() -> None:
    failed = Reply("7", error=APIStatusError("no", status=400))
    result = await vote(attempts(failed, failed, "", " ", "42"))
    assert result.answer == "42"


async def test_attempts_that_were_cut_count_where_there_is_no_whole_one() -> None:
    long = Reply("13 " * 40)
    assert (await vote(attempts(long, long, "42"), n=3, budget=Budget(thread_tokens=5))).answer == "42"
    cut = await vote(attempts(*[Reply(r"\boxed{13} and so on" * 9)] * 3), n=3, budget=Budget(thread_tokens=5))
    assert cut.answer == "13"


async def test_without_any_answer_it_is_asked_once_more() -> None:
    backend = attempts("", "", r"Well: \boxed{42}")
    result = await vote(backend, n=2)
    assert result.answer == "42"
    assert len(backend.requests) == 3


async def test_a_budget_that_is_spent_gives_the_answer_of_those_that_ended() -> None:
    long = Reply(" word" * 1000)
    result = await vote(attempts("42", long, long, "42"), n=4, budget=Budget(total_tokens=40))
    assert (result.answer, result.finish) == ("42", "budget")


async def test_one_attempt_is_a_vote_too() -> None:
    assert (await vote(attempts("42"), n=1)).answer == "42"


async def test_its_sequential_baseline_is_the_bare_question() -> None:
    backend = attempts("42")
    result = await vote(backend, mode="sequential")
    assert (result.answer, result.strategy, len(backend.requests)) == ("42", "voting", 1)


def test_less_than_one_attempt_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="n=0: use a whole number, 1 or more"):
        Voting(n=0)


def test_groups_stand_in_order_of_size_and_then_of_their_first_answer() -> None:
    assert grouped(["b", "a", "1/2", "A", "0.5", "c"]) == [["a", "A"], ["1/2", "0.5"], ["b"], ["c"]]
    assert grouped([]) == []
