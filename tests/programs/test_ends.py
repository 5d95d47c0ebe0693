"""Every end of a run hands out what was finished, and leaves no request behind."""

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.programs.test_fork import Bug, ask
from tests.runtime.play import new_run, run_program, threads
from weaver_sdk import ParallelReasoner, partial_result
from weaver_sdk.events import Event, RunFinished, ThreadFinished
from weaver_sdk.options import Budget
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend


async def everything(scope: Scope) -> None:
    """Asks, forks within forks, races, and spawns."""
    await scope.ask("begin", phase="reasoning")
    promise = scope.spawn("spawned", ask)

    async def inner(one: Scope, item: str) -> None:
        await one.ask(item)
        forgotten = one.spawn("forgotten", ask)
        await one.fork(["x", "y"], ask)
        async with one.each(["u", "v"], ask) as ended:
            await anext(ended)
        assert forgotten is not None

    await scope.fork(["a", "b", "c"], inner, quorum=2)
    await promise
    await scope.ask("end")


def slow() -> ScriptedBackend:
    """Ten chunks for each question."""
    return ScriptedBackend(lambda request: Reply(f" {request.text}" * 10))


DEEP = Budget(max_depth=2)


async def steps_of(backend: ScriptedBackend) -> int:
    """How many steps of the event loop the run takes where nobody disturbs it."""
    running = asyncio.create_task(new_run(backend, strategy=everything, budget=DEEP).execute())
    steps = 0
    while not running.done():
        await asyncio.sleep(0)
        steps += 1
    return steps


async def test_a_run_that_nobody_disturbs_leaves_nothing_behind() -> None:
    backend = slow()
    result = await run_program(everything, backend, budget=DEEP)
    assert backend.running == 0
    assert result.finish == "stop"
    assert result.answer is not None
    assert result.answer.endswith("end")


@pytest.mark.parametrize("seed", range(50))
async def test_a_run_that_is_cancelled_at_any_moment_leaves_no_request_and_hands_out_its_work(
    seed: int,
) -> None:
    undisturbed = await steps_of(slow())
    backend = slow()
    running = asyncio.create_task(new_run(backend, strategy=everything, budget=DEEP).execute())
    for _ in range(random.Random(seed).randrange(1, undisturbed)):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await running
    assert backend.running == 0
    result = partial_result(caught.value)
    assert result is not None
    assert result.finish == "cancelled"
    assert result.telemetry.total_tokens == sum(model.tokens for model in result.telemetry.models.values())
    assert result.telemetry.critical_path_seconds >= 0
    assert all(thread.ended >= thread.started for thread in threads(result))
    assert len(asyncio.all_tasks()) == 1


async def wait_for(run: Callable[[], object], seconds: float) -> object:
    return await asyncio.wait_for(run(), seconds)  # type: ignore[arg-type]


async def timeout(run: Callable[[], object], seconds: float) -> object:
    async with asyncio.timeout(seconds):
        return await run()  # type: ignore[misc]


async def in_a_group(run: Callable[[], object], seconds: float) -> object:
    async with asyncio.timeout(seconds):
        async with asyncio.TaskGroup() as group:
            return await group.create_task(run())  # type: ignore[arg-type]


@pytest.mark.parametrize("limited", [wait_for, timeout, in_a_group])
async def test_a_time_limit_around_a_run_hands_out_its_work(limited: Callable[..., object]) -> None:
    backend = ScriptedBackend({"a": "done", "b": Reply("half", hangs=True)})

    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask)

    run = new_run(backend, strategy=program)
    with pytest.raises(TimeoutError) as caught:
        await limited(run.execute, 0.05)  # type: ignore[misc]
    result = partial_result(caught.value)
    assert result is not None
    assert (result.text, result.finish) == ("done\n\nhalf", "cancelled")
    assert result == run.result()
    assert backend.running == 0


async def test_a_time_limit_around_solve_hands_out_its_work() -> None:
    backend = ScriptedBackend({"Q": Reply("half", hangs=True)})

    async def program(scope: Scope) -> None:
        scope.write("begun: ")
        await scope.ask("Q")

    async with ParallelReasoner(backend=backend, strategy=program) as reasoner:
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(reasoner.solve("Q"), 0.05)
    result = partial_result(caught.value)
    assert result is not None
    assert result.text == "begun: half"
    assert backend.running == 0


async def test_an_error_that_is_no_runs_has_no_result() -> None:
    assert partial_result(ValueError("x")) is None


async def test_a_users_own_error_carries_what_was_done() -> None:
    bug = Bug("mine")

    async def program(scope: Scope) -> None:
        await scope.ask("Q")
        raise bug

    with pytest.raises(Bug) as caught:
        await run_program(program, {"Q": "so far"})
    assert caught.value is bug
    result = partial_result(bug)
    assert result is not None
    assert (result.text, result.answer, result.finish) == ("so far", "so far", "error")


@pytest.mark.parametrize("at", ["ask", "thread", "loser", "spawned", "join"])
async def test_a_listener_that_raises_ends_the_run_with_its_own_error(at: str) -> None:
    backend = ScriptedBackend(
        {"Q": "Q", "a": "A", "b": Reply("half", hangs=True), "c": Reply("x", hangs=True)}
    )
    bug = Bug("the listener's")

    def listen(event: Event) -> None:
        where = {
            "ask": event.kind == "segment_delta",
            "thread": event.kind == "thread_delta",
            "loser": isinstance(event, ThreadFinished) and event.outcome == "cancelled" and event.fork == 1,
            "spawned": isinstance(event, ThreadFinished) and event.fork == 2,
            "join": event.kind == "joined",
        }
        if where[at]:
            raise bug

    async def program(scope: Scope) -> None:
        await scope.fork("ab", ask, quorum=1)
        await scope.ask("Q")
        scope.spawn("c", ask)
        await asyncio.sleep(0)

    with pytest.raises(Bug) as caught:
        await run_program(program, backend, listeners=(listen,))
    assert caught.value is bug
    assert partial_result(bug) is not None
    assert backend.running == 0


async def test_the_last_event_is_the_result_at_every_end() -> None:
    events: list[Event] = []
    running = asyncio.create_task(
        new_run(slow(), strategy=everything, budget=DEEP, listeners=(events.append,)).execute()
    )
    for _ in range(30):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await running
    assert isinstance(events[-1], RunFinished)
    assert events[-1].result is partial_result(caught.value)
    assert [event.kind for event in events].count("run_finished") == 1
