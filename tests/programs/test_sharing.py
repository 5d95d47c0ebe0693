"""The threads of one fork tell the server what they have in common, so that it is computed once."""

import asyncio

from tests.runtime.play import run_program
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend


async def test_attempts_at_one_question_are_one_prefill() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork(range(4), lambda one, _: one.ask("a long question?"))

    backend = ScriptedBackend([Reply("x", times=4)])
    await run_program(program, backend)
    [shared] = {request.shared for request in backend.requests}
    assert shared is not None
    assert (shared.key, shared.width, shared.text) == ("r1/1", 4, "a long question?")


async def test_questions_that_begin_alike_share_their_beginning() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", lambda one, item: one.ask(f"the same, then {item}"))

    backend = ScriptedBackend([Reply("x", times=2)])
    await run_program(program, backend)
    assert [request.shared and request.shared.text for request in backend.requests] == ["the same, then "] * 2


async def test_threads_that_go_on_share_their_parents_text() -> None:
    async def work(scope: Scope, item: str) -> None:
        scope.write(f"[{item}]")
        await scope.extend()
        await scope.extend()

    async def program(scope: Scope) -> None:
        await scope.extend()
        await scope.fork("ab", work)

    backend = ScriptedBackend([Reply("start"), Reply("x", times=4)])
    await run_program(program, backend)
    first, *forked = backend.requests
    assert first.shared is None
    assert [request.shared and request.shared.text for request in forked[:2]] == ["Qstart["] * 2
    assert [request.shared for request in forked[2:]] == [None, None]


async def test_questions_with_nothing_in_common_share_nothing() -> None:
    async def program(scope: Scope) -> None:
        await scope.fork("ab", lambda one, item: one.ask(f"{item}?"))

    backend = ScriptedBackend([Reply("x", times=2)])
    await run_program(program, backend)
    assert [request.shared for request in backend.requests] == [None, None]


async def test_a_thread_that_comes_late_comes_alone() -> None:
    async def work(scope: Scope, item: str) -> None:
        if item == "late":
            for _ in range(5):
                await asyncio.sleep(0)
        await scope.ask("the same?")

    async def program(scope: Scope) -> None:
        await scope.fork(["one", "late", "two"], work)

    backend = ScriptedBackend([Reply("x", times=3)])
    await run_program(program, backend)
    assert [request.shared and request.shared.width for request in backend.requests] == [2, 2, None]


async def test_each_server_is_told_of_its_own_threads_alone() -> None:
    async def program(scope: Scope) -> None:
        names = ["main", "small", "main", "small", "main"]
        await scope.fork(names, lambda one, name: one.ask("the same?", model=name))
        await scope.fork(["main", "small"], lambda one, name: one.ask("the same?", model=name))

    main, small = ScriptedBackend([Reply("x", times=4)]), ScriptedBackend([Reply("y", times=3)])
    await run_program(program, main, models={"small": small})
    assert [request.shared and request.shared.width for request in main.requests] == [3, 3, 3, None]
    assert [request.shared and request.shared.width for request in small.requests] == [2, 2, None]
