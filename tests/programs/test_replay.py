"""What a run was can be told again from its events, and from its trace."""

import asyncio

import pytest

from tests.programs.test_ends import DEEP, everything, slow, steps_of
from tests.programs.test_fork import ABC, ask
from tests.runtime.play import new_run, run_program
from weaver_sdk.events import Event, ForkOpened, Joined, SegmentDelta, ThreadDelta, dump_event, load_event
from weaver_sdk.result import Fork, Result, Segment, Trace
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend

Place = tuple[int, int] | None


def told(events: list[Event]) -> dict[Place, str]:
    """The text of each line by its events alone: a fork stands where it was opened."""
    lines: dict[Place, list[str | int]] = {None: []}
    joins: dict[int, str] = {}
    for event in events:
        if isinstance(event, SegmentDelta) and event.kept:
            lines[None].append(event.text)
        elif isinstance(event, ThreadDelta) and event.kept:
            lines.setdefault((event.fork, event.thread), []).append(event.text)
        elif isinstance(event, ForkOpened):
            lines.setdefault(event.parent, []).append(event.fork)
        elif isinstance(event, Joined):
            joins[event.fork] = event.text
    return {
        place: "".join(joins[part] if isinstance(part, int) else part for part in parts)
        for place, parts in lines.items()
    }


def held(trace: Trace) -> str:
    """The text of a line by its trace."""
    return "".join(
        part.joined if isinstance(part, Fork) else part.text
        for part in trace
        if isinstance(part, Fork) or part.kept
    )


def check(result: Result, events: list[Event]) -> None:
    texts = told(events)
    assert texts[None] == held(result.trace) == result.text

    def check_forks(trace: Trace) -> None:
        for part in trace:
            if isinstance(part, Segment):
                continue
            for number, thread in enumerate(part.threads, start=1):
                assert texts.get((part.fork, number), "") == thread.text
                if thread.trace:
                    assert held(thread.trace) == thread.text
                    check_forks(thread.trace)

    check_forks(result.trace)
    again = [load_event(dump_event(event)) for event in events]
    assert again == events
    assert Result.from_json(result.to_json()) == result


async def test_a_program_with_everything_in_it_is_told_whole() -> None:
    events: list[Event] = []
    result = await run_program(everything, slow(), budget=DEEP, listeners=(events.append,))
    check(result, events)
    assert result.telemetry.threads > 10


@pytest.mark.parametrize("part", range(1, 20))
async def test_a_run_that_was_cancelled_is_told_as_far_as_it_came(part: int) -> None:
    undisturbed = await steps_of(slow())
    events: list[Event] = []
    run = new_run(slow(), strategy=everything, budget=DEEP, listeners=(events.append,))
    running = asyncio.create_task(run.execute())
    for _ in range(undisturbed * part // 20):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    check(run.result(), events)


async def test_questions_on_the_side_and_joins_of_a_program_are_told_too() -> None:
    async def work(scope: Scope, item: str) -> None:
        await scope.ask(item, keep=False)
        scope.write(f"<{item}>")
        await scope.extend()
        scope.write("!")

    async def program(scope: Scope) -> None:
        scope.write("Begin. ")
        await scope.ask("c", keep=False)
        await scope.fork("ab", work, join=lambda done: " & ".join(one.text for one in done))
        async with scope.each(["a", "b"], ask, join="[raced]") as ended:
            await anext(ended)
            scope.write(" (won) ")
        scope.spawn("c", ask)
        scope.write("End.")

    events: list[Event] = []
    backend = ScriptedBackend([Reply("x y", times=None)])
    result = await run_program(program, backend, listeners=(events.append,))
    assert result.text == "Begin. <a>x y! & <b>x y![raced] (won) End."
    check(result, events)


async def test_the_answer_is_in_the_order_of_the_text() -> None:
    async def program(scope: Scope) -> None:
        async with scope.each("ab", ask, join=None) as ended:
            await anext(ended)
            scope.write(" then")

    result = await run_program(program, ABC)
    assert result.answer == result.text
