"""A program is held to the budget of its run, and what it has worked out by then becomes an answer."""

import asyncio
from dataclasses import replace

import pytest

from tests.clock import Clock
from tests.programs.test_fork import ask
from tests.runtime.play import run_program, threads
from weaver_sdk.options import Budget
from weaver_sdk.runtime.budget_spent import BudgetSpent
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend

LONG = Reply(" word" * 1000, times=None)


class Unbounded(ScriptedBackend):
    """A server that takes no notice of `max_tokens`."""

    def _write(self, reply, request):  # type: ignore[no-untyped-def]
        return super()._write(reply, replace(request, max_tokens=None))


class Wide:
    """Four threads that would go on for ever, and a conclusion of its own."""

    name = "wide"

    async def run(self, scope: Scope) -> None:
        await scope.fork("abcd", ask)
        raise AssertionError("the budget was spent before")

    async def conclude(self, scope: Scope) -> None:
        assert len(scope.ended) == 4
        await scope.ask(f"conclude {len(scope.text.split())}")


@pytest.mark.parametrize("backend", [ScriptedBackend, Unbounded])
async def test_tokens_that_end_in_the_first_round_leave_an_answer_of_the_strategys_own(
    backend: type[ScriptedBackend],
) -> None:
    answers = dict.fromkeys("abcd", LONG)
    server = backend(lambda request: answers.get(request.text, Reply("concluded in four words")))
    result = await run_program(Wide(), server, budget=Budget(total_tokens=100, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.answer is not None
    assert result.answer.endswith("concluded in four words")
    assert [thread.outcome for thread in threads(result)] == ["length"] * 4
    spent = sum(thread.tokens for thread in threads(result))
    assert 80 <= spent < 80 + 4  # at most one chunk too many in each line
    assert result.telemetry.total_tokens == spent + 4
    assert server.running == 0


async def test_without_a_conclusion_of_its_own_the_answer_is_asked_for_out_of_the_work() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask, join="", label=lambda item: f"part {item}")

    def answer(request):  # type: ignore[no-untyped-def]
        if request.text in ("a", "b"):
            return Reply(f" {request.text}" * 1000)
        question, work, told = (turn["content"] for turn in request.prompt.messages)
        assert question == "Q"
        assert sorted(part[:11] for part in work.split("\n\n")) == ["part a: a a", "part b: b b"]
        assert "Give the answer now" in told
        return Reply("42")

    result = await run_program(program, answer, budget=Budget(total_tokens=40))
    assert (result.answer, result.finish) == ("42", "budget")


async def test_work_that_the_line_holds_already_is_told_once() -> None:
    told: list[str] = []

    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask, phase="reasoning")

    def answer(request):  # type: ignore[no-untyped-def]
        told.extend(turn["content"] for turn in request.prompt.messages if turn["role"] == "assistant")
        return Reply(" word" * 1000) if request.text in ("a", "b") else Reply("42")

    result = await run_program(program, answer, budget=Budget(total_tokens=40))
    assert result.answer == "42"
    assert [set(work.split()) for work in told] == [{"word"}]


async def test_a_short_result_is_told_though_the_line_happens_to_hold_its_letters() -> None:
    told: list[str] = []

    async def program(scope: Scope) -> None:
        scope.write("The 40 of it.", phase="reasoning")
        await scope.fork(["a", "long"], ask, join="")

    def answer(request):  # type: ignore[no-untyped-def]
        told.extend(turn["content"] for turn in request.prompt.messages if turn["role"] == "assistant")
        return {"a": Reply("4"), "long": LONG}.get(request.text, Reply("42"))

    await run_program(program, answer, budget=Budget(total_tokens=40))
    assert [work.split("\n\n")[:2] for work in told] == [["The 40 of it.", "a: 4"]]


async def test_with_stop_the_run_ends_with_what_there_is() -> None:
    result = await run_program(
        Wide(), [LONG], budget=Budget(total_tokens=40, reserve_tokens=0, on_exhausted="stop")
    )
    assert result.finish == "budget"
    assert result.telemetry.requests == 4
    assert len(threads(result)) == 4


async def test_the_answer_keeps_within_the_reserve() -> None:
    result = await run_program(Wide(), [LONG], budget=Budget(total_tokens=100, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.telemetry.total_tokens <= 100 + 3


async def test_the_critical_path_is_held_in_every_thread() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("Q", max_tokens=10, phase="reasoning")
        await scope.fork("ab", ask, join="")

    budget = Budget(critical_path_tokens=50, reserve_tokens=10)
    result = await run_program(
        program, lambda r: Reply("42") if len(r.prompt.messages) > 1 else LONG, budget=budget
    )
    assert [thread.tokens for thread in threads(result)] == [30, 30]
    assert result.answer == "42"
    assert result.finish == "budget"
    assert result.telemetry.critical_path_tokens == 41
    assert result.telemetry.total_tokens == 71


async def test_threads_have_a_limit_that_counts_their_own_forks_too() -> None:
    async def inner(scope: Scope, item: str) -> None:
        await scope.fork("xy", lambda one, name: one.ask(name, max_tokens=8), join="")
        await scope.ask(item)

    async def program(scope: Scope) -> None:
        await scope.fork("ab", inner, join="")
        scope.write("on")

    result = await run_program(program, [LONG], budget=Budget(thread_tokens=20, max_depth=2))
    assert (result.answer, result.finish) == ("on", "stop")
    assert [(thread.tokens, thread.outcome) for thread in threads(result)] == [(8 + 8 + 12, "length")] * 2


async def test_more_forks_than_the_budget_allows_end_the_program() -> None:
    async def program(scope: Scope) -> None:
        for _ in range(5):
            await scope.fork("ab", lambda one, item: one.ask(item), phase="reasoning")
            scope.write("\n", phase="reasoning")

    result = await run_program(program, [Reply("x", times=None)], budget=Budget(max_forks=2))
    assert result.finish == "budget"
    assert result.telemetry.forks == 2
    assert result.answer == "x"


async def test_code_that_catches_exceptions_does_not_catch_the_end_of_the_budget() -> None:
    caught: list[BaseException] = []

    async def inner(scope: Scope, item: str) -> None:
        try:
            await scope.fork("xy", ask)
        except Exception as error:
            caught.append(error)

    async def program(scope: Scope) -> None:
        for _ in range(100):
            try:
                await scope.fork("ab", inner)
            except Exception as error:
                caught.append(error)
        raise AssertionError("the budget was spent before")

    result = await run_program(program, [LONG], budget=Budget(total_tokens=40, max_depth=2))
    assert caught == []
    assert result.finish == "budget"


async def ask_in_a_group(scope: Scope, item: object = None) -> None:
    """Ask until the budget ends it, in tasks of one's own."""
    while True:
        async with asyncio.TaskGroup() as group:
            for question in "ab":
                group.create_task(scope.ask(question, keep=False, max_tokens=9))


async def test_asking_in_a_group_of_tasks_of_ones_own_ends_with_the_budget_too() -> None:
    result = await run_program(ask_in_a_group, [LONG], budget=Budget(total_tokens=40))
    assert result.finish == "budget"


async def test_a_group_of_tasks_in_a_thread_ends_with_the_budget_too() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("xy", ask_in_a_group)

    result = await run_program(program, [LONG], budget=Budget(total_tokens=400, thread_tokens=40))
    assert [thread.outcome for thread in threads(result)] == ["length"] * 2
    assert result.finish == "stop"


async def test_a_group_that_holds_a_bug_as_well_comes_out_as_it_is() -> None:
    async def program(scope: Scope) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask_in_a_group(scope))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("mine") from None

    with pytest.raises(BaseExceptionGroup) as caught:
        await run_program(program, [LONG], budget=Budget(total_tokens=40))
    assert [type(error) for error in caught.value.exceptions] == [BaseExceptionGroup, ValueError]


async def test_what_is_left_can_be_read_at_any_moment() -> None:
    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item, max_tokens=5)
        assert scope.budget.critical_path_tokens == 100 - 25 - 10 - 5

    async def program(scope: Scope) -> None:
        assert (scope.budget.tokens, scope.budget.critical_path_tokens) == (175, 75)
        assert scope.budget.seconds is None
        await scope.ask("Q", max_tokens=10)
        assert (scope.budget.tokens, scope.budget.critical_path_tokens) == (165, 65)
        await scope.fork("ab", work)
        assert (scope.budget.tokens, scope.budget.critical_path_tokens) == (155, 60)

    budget = Budget(total_tokens=200, critical_path_tokens=100, reserve_tokens=25)
    await run_program(program, [LONG], budget=budget)


async def test_without_limits_nothing_runs_out() -> None:
    async def program(scope: Scope) -> None:
        left = scope.budget
        assert (left.tokens, left.critical_path_tokens, left.seconds) == (None, None, None)

    await run_program(program)


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop has no clock that a test could set
async def test_time_that_runs_out_cuts_what_streams_and_leaves_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    clock.install(monkeypatch)
    hangs = Reply("half", hangs=True)

    async def program(scope: Scope) -> None:
        seconds = scope.budget.seconds
        assert seconds is not None
        assert 0 < seconds <= 75
        await scope.fork("ab", ask)
        raise AssertionError("the time was up before")

    def answer(request):  # type: ignore[no-untyped-def]
        return {"a": hangs, "b": Reply("B")}.get(request.text, Reply(" 42" * 100))

    budget = Budget(seconds=100, reserve_seconds=50, reserve_tokens=7)
    result = await run_program(program, answer, budget=budget)
    assert result.finish == "budget"
    assert [thread.outcome for thread in threads(result)] == ["timeout", "done"]
    assert result.telemetry.wall_seconds == pytest.approx(75, abs=1)
    assert (
        result.text == "half\n\nB\n\n" + " 42" * 7
    )  # where only time was limited, the answer is short all the same


async def test_a_budget_that_is_spent_reaches_code_as_no_exception() -> None:
    assert not issubclass(BudgetSpent, Exception)
