"""What a program may trust when it forks: order, joins, what fails and what is left of it."""

import asyncio

import pytest

from tests.runtime.play import kinds, run_program, threads
from weaver_sdk.backends.base import Chunk, CompletionRequest, Retry
from weaver_sdk.errors import APIStatusError, BudgetError, ConfigurationError, IdleTimeout
from weaver_sdk.options import Budget
from weaver_sdk.result import Fork
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend

ABC = {"a": "A", "b": "B", "c": "C"}


async def ask(scope: Scope, question: str) -> None:
    """What most threads here do."""
    await scope.ask(question)


class Bug(Exception):
    """What a user's own code raises."""


async def test_threads_come_back_in_the_order_of_their_items_whoever_ends_first() -> None:
    async def program(scope: Scope) -> None:
        done = await scope.fork("abc", ask)
        assert [one.item for one in done] == ["a", "b", "c"]
        assert [one.text for one in done] == ["A" * 3, "B", "C" * 2]
        assert [one.outcome for one in done] == ["done"] * 3
        assert [one.item for one in scope.ended] == ["b", "c", "a"]

    answers = {"a": Reply("AAA"), "b": Reply("B"), "c": Reply("CC")}
    await run_program(program, ScriptedBackend(answers, characters=1))


async def test_all_threads_run_at_once() -> None:
    backend = ScriptedBackend([Reply("x", times=9)])

    async def program(scope: Scope) -> None:
        await scope.fork(range(9), lambda one, _: one.ask("Q"))

    await run_program(program, backend)
    assert backend.most_running == 9


@pytest.mark.parametrize(
    ("join", "text"),
    [
        (None, "A\n\nB\n\nC"),
        ("", ""),
        ("[three]", "[three]"),
        (lambda done: "+".join(one.text for one in done), "A+B+C"),
    ],
)
async def test_the_line_holds_what_the_join_makes_of_the_threads(join: object, text: str) -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("abc", ask, join=join)  # type: ignore[arg-type]
        assert scope.text == text

    result = await run_program(program, ABC)
    assert result.text == text
    assert result.answer == (text or None)


async def test_a_join_that_is_no_answer_is_text_alone() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask, phase="reasoning")
        scope.write("\n42")

    result = await run_program(program, ABC)
    assert (result.text, result.answer) == ("A\n\nB\n42", "42")


async def test_a_function_joins_only_whole_forks() -> None:
    seen: list[int] = []

    def join(done: object) -> str:
        assert isinstance(done, list)
        seen.append(len([one for one in done if one.outcome == "done"]))
        return "joined"

    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item)

    async def program(scope: Scope) -> None:
        async def look(one: Scope, item: str) -> None:
            await work(one, item)
            assert "joined" not in scope.text

        await scope.fork("abc", look, join=join)

    await run_program(program, ABC)
    assert seen == [3]


async def test_labels_name_threads_and_may_bring_a_number_of_their_own() -> None:
    async def program(scope: Scope) -> None:
        done = await scope.fork("ab", ask, label=lambda item: f"the {item}")
        assert [one.label for one in done] == ["the a", "the b"]
        await scope.fork("c", ask, label=lambda item: ("7", f"the {item}"))

    told = threads(await run_program(program, ABC))
    assert [(one.label, one.outline) for one in told] == [("1", "the a"), ("2", "the b"), ("7", "the c")]


async def test_a_fork_of_nothing_is_nothing() -> None:
    async def program(scope: Scope) -> None:
        assert await scope.fork([], ask) == []
        scope.write("on")

    result = await run_program(program)
    assert (result.text, result.telemetry.threads) == ("on", 0)


async def test_one_branch_fails_and_the_others_stay_whole() -> None:
    async def program(scope: Scope) -> None:
        done = await scope.fork("abc", ask)
        assert [one.outcome for one in done] == ["done", "error", "done"]

    broken = Reply("half", error=APIStatusError("no more", status=500))
    result = await run_program(program, ABC | {"b": broken})
    assert result.text == "A\n\nhalf\n\nC"
    assert result.finish == "stop"
    assert threads(result)[1].error == "no more"
    assert kinds(result) == ["thread_failed"]


async def test_a_silent_branch_has_timed_out() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask)

    result = await run_program(program, ABC | {"b": Reply("", error=IdleTimeout("silence"))})
    assert [one.outcome for one in threads(result)] == ["done", "timeout"]
    assert kinds(result) == ["thread_timed_out"]


async def test_a_stream_that_was_cut_and_resumed_is_whole() -> None:
    class Cut(ScriptedBackend):
        async def stream(self, request: CompletionRequest):  # type: ignore[no-untyped-def, override]
            if request.text == "b":
                yield Chunk(text="B be")
                yield Chunk(retry=Retry(attempt=2, delay=0.0, reason="cut", resumed=True))
                yield Chunk(text="fore", finish_reason="stop")
                return
            async for chunk in super().stream(request):
                yield chunk

    async def program(scope: Scope) -> None:
        done = await scope.fork("abc", ask)
        assert [one.outcome for one in done] == ["done"] * 3

    result = await run_program(program, Cut(ABC))
    assert result.text == "A\n\nB before\n\nC"
    assert result.telemetry.retries == 1
    assert kinds(result) == ["resumed_stream"]


async def test_a_quorum_is_enough_and_the_rest_is_cancelled() -> None:
    hangs = Reply("half", hangs=True)
    backend = ScriptedBackend({"a": hangs, "b": "B", "c": "C", "d": hangs})

    async def program(scope: Scope) -> None:
        done = await scope.fork("abcd", ask, quorum=2)
        assert backend.running == 0
        assert [one.outcome for one in done] == ["cancelled", "done", "done", "cancelled"]

    result = await run_program(program, backend)
    assert result.text == "half\n\nB\n\nC\n\nhalf"
    assert backend.aborted == 2
    assert kinds(result) == []


async def test_a_thread_that_failed_is_not_of_the_quorum() -> None:
    async def program(scope: Scope) -> None:
        done = await scope.fork("abc", ask, quorum=2)
        assert [one.outcome for one in done] == ["error", "done", "done"]

    await run_program(program, ABC | {"a": Reply("", error=APIStatusError("x", status=400))})


async def test_a_quorum_of_none_is_refused() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask, quorum=0)

    with pytest.raises(ConfigurationError, match=r"fork\(quorum=0\): use 1 or more"):
        await run_program(program, ABC)


async def test_a_program_says_how_a_thread_came_out() -> None:
    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item)
        scope.outcome = "empty"

    async def program(scope: Scope) -> None:
        done = await scope.fork("a", work)
        assert done[0].outcome == "empty"

    assert kinds(await run_program(program, ABC)) == ["thread_empty"]


async def test_forks_nest_as_deep_as_the_budget_says() -> None:
    async def inner(scope: Scope, item: str) -> None:
        await scope.fork([f"{item}1", f"{item}2"], ask, join=lambda done: "".join(one.text for one in done))

    async def program(scope: Scope) -> None:
        await scope.fork("ab", inner, join=lambda done: "|".join(one.text for one in done))

    answers = {"a1": "1", "a2": "2", "b1": "3", "b2": "4"}
    result = await run_program(program, answers, budget=Budget(max_depth=2))
    assert result.text == "12|34"
    assert (result.telemetry.forks, result.telemetry.threads) == (3, 6)
    [outer] = result.trace
    assert isinstance(outer, Fork)
    assert [[part.kind for part in thread.trace] for thread in outer.threads] == [["fork"], ["fork"]]
    assert [thread.tokens for thread in outer.threads] == [2, 2]
    assert result.telemetry.critical_path_tokens == 1


async def test_a_fork_that_lies_too_deep_says_what_to_give() -> None:
    async def inner(scope: Scope, item: str) -> None:
        await scope.fork("ab", ask)

    async def program(scope: Scope) -> None:
        await scope.fork("ab", inner)

    with pytest.raises(BudgetError, match=r"inside 1 others.*give Budget\(max_depth=2\)") as caught:
        await run_program(program, ABC)
    assert type(caught.value) is BudgetError
    assert caught.value.result is not None


async def test_a_fork_that_is_too_wide_says_what_to_give() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("abc", ask)

    with pytest.raises(BudgetError, match=r"fork of 3 threads.*give Budget\(max_threads=3\)"):
        await run_program(program, ABC, budget=Budget(max_threads=2))


async def test_a_bug_in_a_thread_comes_out_as_it_is_and_cancels_its_siblings() -> None:
    backend = ScriptedBackend(
        {"a": Reply("half", hangs=True), "b": "B is mine", "c": Reply("half", hangs=True)}
    )
    bug = Bug("mine")

    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item)
        raise bug

    async def program(scope: Scope) -> None:
        await scope.fork("abc", work)

    with pytest.raises(Bug) as caught:
        await run_program(program, backend)
    assert caught.value is bug
    assert backend.running == 0
    assert backend.aborted == 2
    assert bug.__dict__["result"].text == "half\n\nB is mine\n\nhalf"


async def test_a_bug_deep_inside_comes_out_as_it_is() -> None:
    async def deepest(scope: Scope, item: str) -> None:
        if item == "b":
            raise Bug
        await scope.ask(item)

    async def inner(scope: Scope, item: str) -> None:
        await scope.fork("ab", deepest)

    async def program(scope: Scope) -> None:
        await scope.fork("xy", inner)

    backend = ScriptedBackend({"a": Reply("", hangs=True, times=None)})
    with pytest.raises(Bug) as caught:
        await run_program(program, backend, budget=Budget(max_depth=2))
    assert type(caught.value) is Bug
    assert backend.running == 0


async def test_a_program_may_go_on_after_a_bug_in_a_fork() -> None:
    async def work(scope: Scope, item: str) -> None:
        raise Bug

    async def program(scope: Scope) -> None:
        try:
            await scope.fork("a", work)
        except Bug:
            scope.write("caught")
        await scope.fork("a", ask, join="")

    result = await run_program(program, ABC)
    assert result.text == "caught"
    assert len(threads(result)) == 2


async def test_a_time_limit_of_the_users_own_ends_a_fork_and_the_program_goes_on() -> None:
    """What was done stands in the result, with an end to each thread, and in the events."""
    backend = ScriptedBackend({"a": Reply("half", hangs=True), "b": "B"})

    async def program(scope: Scope) -> None:
        async def watch() -> None:
            while not scope.ended:
                await asyncio.sleep(0)
            limit.reschedule(asyncio.get_running_loop().time())

        watching = asyncio.create_task(watch())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await scope.fork("ab", ask)
        await watching
        assert backend.running == 0
        assert [one.outcome for one in scope.ended] == ["done", "cancelled"]
        scope.write("\nlate")

    result = await run_program(program, backend)
    assert result.text == "half\n\nB\nlate"
    [fork, _] = result.trace
    assert isinstance(fork, Fork)
    assert all(0 < thread.ended <= fork.ended for thread in fork.threads)
    assert result.telemetry.critical_path_seconds >= 0


async def test_siblings_leave_notes_for_each_other_on_their_board() -> None:
    async def work(scope: Scope, item: str) -> None:
        await scope.board.append(f"{item} was here", scope.label)
        notes = await scope.board.wait(seen=1)
        assert len(notes) == 1
        scope.write(" & ".join(note.author for note in scope.board.read()))

    async def program(scope: Scope) -> None:
        done = await scope.fork("ab", work)
        assert [one.text for one in done] == ["a & b"] * 2
        assert scope.board.read() == ()
        again = await scope.fork("c", lambda one, _: one.board.append("alone"))
        assert [note.text for note in again[0].board.read()] == ["alone"]

    result = await run_program(program)
    assert result.telemetry.total_tokens == 0
