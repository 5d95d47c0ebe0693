"""Threads that are read as they end, and threads that nobody waits for yet."""

import asyncio

import pytest

from tests.programs.test_fork import ABC, Bug, ask
from tests.runtime.play import run_program, threads
from weaver_sdk.errors import APIStatusError
from weaver_sdk.options import Budget
from weaver_sdk.result import Fork
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend

HANGS = Reply("half", hangs=True)


def race() -> ScriptedBackend:
    """The second of three answers; the others would go on for ever."""
    return ScriptedBackend({"a": HANGS, "b": "B", "c": HANGS})


async def test_threads_come_as_they_end() -> None:
    async def program(scope: Scope) -> None:
        async with scope.each("abc", ask) as ended:
            assert [one.item async for one in ended] == ["b", "c", "a"]
        assert scope.text == ""

    await run_program(program, ScriptedBackend({"a": "AAA", "b": "B", "c": "CC"}, characters=1))


async def test_leaving_the_block_aborts_the_losers_at_once() -> None:
    backend = race()

    async def program(scope: Scope) -> None:
        async with scope.each("abc", ask) as ended:
            async for one in ended:
                scope.write(one.text)
                break
            assert backend.running == 2
        assert backend.running == 0
        assert [one.outcome for one in scope.ended] == ["done", "cancelled", "cancelled"]

    result = await run_program(program, backend)
    assert result.answer == "B"
    assert [thread.text for thread in threads(result)] == ["half", "B", "half"]


async def test_returning_from_the_block_aborts_them_too() -> None:
    backend = race()

    async def program(scope: Scope) -> None:
        async with scope.each("abc", ask) as ended:
            async for one in ended:
                scope.write(one.text)
                return

    result = await run_program(program, backend)
    assert (result.answer, backend.running, backend.aborted) == ("B", 0, 2)


async def test_losers_are_aborted_within_a_few_steps_of_the_event_loop() -> None:
    backend = race()
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            await asyncio.sleep(0)
            steps += 1

    async def program(scope: Scope) -> None:
        counting = asyncio.create_task(count())
        async with scope.each("abc", ask) as ended:
            await anext(ended)
            before = steps
        assert backend.running == 0
        assert steps - before < 20
        counting.cancel()

    await run_program(program, backend)


async def test_an_error_inside_the_block_aborts_them_and_comes_out_as_it_is() -> None:
    backend = race()

    async def program(scope: Scope) -> None:
        async with scope.each("abc", ask) as ended:
            await anext(ended)
            raise Bug

    with pytest.raises(Bug) as caught:
        await run_program(program, backend)
    assert type(caught.value) is Bug
    assert backend.running == 0
    assert caught.value.__dict__["result"].telemetry.threads == 3


async def test_a_bug_in_a_thread_reaches_the_loop_over_the_threads() -> None:
    backend = race()

    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item)
        raise Bug

    async def program(scope: Scope) -> None:
        async with scope.each("abc", work) as ended:
            async for _ in ended:
                raise AssertionError("no thread has ended")

    with pytest.raises(Bug) as caught:
        await run_program(program, backend)
    assert type(caught.value) is Bug
    assert backend.running == 0


async def test_a_thread_that_failed_comes_as_any_other() -> None:
    async def program(scope: Scope) -> None:
        async with scope.each("ab", ask) as ended:
            assert {one.item: one.outcome async for one in ended} == {"a": "done", "b": "error"}

    await run_program(program, ABC | {"b": Reply("", error=APIStatusError("x", status=400))})


async def test_blocks_nest() -> None:
    backend = ScriptedBackend({"x1": HANGS, "x2": "won", "y1": HANGS, "y2": HANGS})

    async def inner(scope: Scope, item: str) -> None:
        async with scope.each([f"{item}1", f"{item}2"], ask) as ended:
            async for one in ended:
                scope.write(one.text)
                return

    async def program(scope: Scope) -> None:
        async with scope.each("xy", inner) as ended:
            async for one in ended:
                assert backend.running == 2
                scope.write(one.text)
                break
        assert backend.running == 0

    result = await run_program(program, backend, budget=Budget(max_depth=2))
    assert result.answer == "won"
    assert result.telemetry.forks == 3


async def test_work_inside_the_block_goes_on_beside_the_threads() -> None:
    backend = ScriptedBackend({"a": HANGS, "Q": "main line"})

    async def program(scope: Scope) -> None:
        async with scope.each("a", ask):
            await scope.ask("Q")
            assert backend.running == 1

    result = await run_program(program, backend)
    assert (result.text, backend.running) == ("main line", 0)


async def test_a_spawned_thread_runs_beside_the_line_until_it_is_awaited() -> None:
    async def program(scope: Scope) -> None:
        promise = scope.spawn("a", ask)
        await scope.ask("b")
        one = await promise
        assert (one.text, one.outcome, one.item) == ("A", "done", "a")
        assert (await promise) is one
        scope.write(one.text)

    result = await run_program(program, ABC)
    assert result.text == "BA"
    [fork, *_] = result.trace
    assert isinstance(fork, Fork)
    assert fork.waited_after == 1
    assert result.telemetry.critical_path_tokens == 1
    assert result.telemetry.total_tokens == 2


async def test_a_spawned_thread_that_is_awaited_at_once_is_on_the_path() -> None:
    async def program(scope: Scope) -> None:
        await scope.spawn("a", ask)
        await scope.ask("b")

    result = await run_program(program, ABC)
    assert result.telemetry.critical_path_tokens == result.telemetry.total_tokens == 2


async def test_what_is_asked_after_the_wait_is_on_the_path_behind_the_thread() -> None:
    async def program(scope: Scope) -> None:
        promise = scope.spawn("a", ask)
        scope.write("Meanwhile: ")
        await promise
        await scope.extend()

    result = await run_program(program, [Reply("A", "a"), Reply("B")])
    assert result.text == "Meanwhile: B"
    assert result.telemetry.critical_path_tokens == result.telemetry.total_tokens == 2


async def test_a_spawned_thread_that_nobody_awaits_is_cancelled() -> None:
    backend = ScriptedBackend({"a": HANGS, "b": "B goes on", "c": HANGS})

    async def program(scope: Scope) -> None:
        scope.spawn("a", ask)
        scope.spawn("c", ask)
        await scope.ask("b")
        assert backend.running == 2

    result = await run_program(program, backend)
    assert (backend.running, backend.aborted) == (0, 2)
    assert result.text == "B goes on"
    assert [thread.outcome for thread in threads(result)] == ["cancelled"] * 2
    assert [thread.text for thread in threads(result)] == ["half"] * 2


async def test_a_spawned_thread_ends_with_the_thread_that_spawned_it() -> None:
    backend = ScriptedBackend({"a": HANGS, "b": "B"})

    async def work(scope: Scope, item: str) -> None:
        scope.spawn("a", ask)
        await scope.ask(item)

    async def program(scope: Scope) -> None:
        await scope.fork("b", work)
        assert backend.running == 0

    await run_program(program, backend, budget=Budget(max_depth=2))


async def test_what_a_server_does_to_a_spawned_thread_is_its_outcome() -> None:
    async def program(scope: Scope) -> None:
        one = await scope.spawn("a", ask)
        assert one.outcome == "error"

    await run_program(program, {"a": Reply("", error=APIStatusError("x", status=400))})


async def test_a_bug_in_a_spawned_thread_comes_out_where_it_is_awaited() -> None:
    async def work(scope: Scope, item: str) -> None:
        raise Bug

    async def program(scope: Scope) -> None:
        promise = scope.spawn("a", work)
        await scope.ask("b")
        with pytest.raises(Bug):
            await promise

    assert (await run_program(program, ABC)).finish == "stop"


async def test_a_bug_in_a_thread_that_nobody_awaits_is_not_lost_and_leaves_nothing_running() -> None:
    backend = ScriptedBackend({"a": HANGS, "b": "B goes on", "c": HANGS})

    async def work(scope: Scope, item: str) -> None:
        if item == "bug":
            raise Bug
        await scope.ask(item)

    async def program(scope: Scope) -> None:
        for item in ("a", "bug", "c"):
            scope.spawn(item, work)
        await scope.ask("b")

    with pytest.raises(Bug) as caught:
        await run_program(program, backend)
    assert type(caught.value) is Bug
    assert backend.running == 0
    assert [thread.outcome for thread in threads(caught.value.__dict__["result"])] == ["cancelled"] * 3


async def test_spawned_threads_share_a_board() -> None:
    async def work(scope: Scope, item: str) -> None:
        await scope.board.append(item)
        await scope.board.wait(seen=1)

    async def program(scope: Scope) -> None:
        first, second = scope.spawn("a", work), scope.spawn("b", work)
        await second
        assert [note.text for note in (await first).board.read()] == ["a", "b"]

    await run_program(program)
