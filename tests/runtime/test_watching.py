"""A run that is watched: events in order, early leave, cancellation at any moment."""

import asyncio
import random

import pytest

from tests.runtime.play import TRAJECTORY, new_run, play, table
from weaver_sdk.errors import APIStatusError
from weaver_sdk.events import (
    Event,
    Joined,
    RunFinished,
    SegmentDelta,
    ThreadDelta,
    ThreadFinished,
    ThreadStarted,
    dump_event,
    load_event,
)
from weaver_sdk.runtime.run import Run
from weaver_sdk.runtime.stream import OnEvent, RunStream
from weaver_sdk.testing import Reply, ScriptedBackend


def watch(backend: ScriptedBackend, on_event: OnEvent | None = None) -> RunStream:
    async def prepare(out: OnEvent) -> Run:
        return new_run(backend, listeners=tuple(filter(None, [out, on_event])))

    return RunStream(prepare)


async def collect(backend: ScriptedBackend) -> list[Event]:
    async with watch(backend) as run:
        return [event async for event in run]


async def test_events_tell_the_run_in_order() -> None:
    events = await collect(ScriptedBackend(table()))
    kinds = [event.kind for event in events if not event.kind.endswith("delta")]
    assert kinds.count("request_started") == kinds.count("request_finished") == 4
    kinds = [kind for kind in kinds if not kind.startswith("request")]
    assert kinds[:2] == ["run_started", "fork_opened"]
    assert sorted(kinds[2:6]) == ["thread_finished"] * 2 + ["thread_started"] * 2
    assert kinds[6:] == ["joined", "run_finished"]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert {event.run_id for event in events} == {"r1"}


async def test_segments_and_joins_in_order_are_the_trajectory() -> None:
    events = await collect(ScriptedBackend(table(), characters=1))
    assert "".join(event.text for event in events if isinstance(event, SegmentDelta | Joined)) == TRAJECTORY


async def test_the_deltas_of_a_thread_are_its_text_and_lie_between_its_start_and_end() -> None:
    events = await collect(ScriptedBackend(table(), characters=1))
    second = [event for event in events if getattr(event, "thread", None) == 2]
    assert isinstance(second[0], ThreadStarted)
    assert isinstance(second[-1], ThreadFinished)
    assert "".join(event.text for event in second if isinstance(event, ThreadDelta)) == " two\n"


async def test_every_event_comes_back_from_its_line_of_json() -> None:
    bad = Reply(" tw", error=APIStatusError("broken", status=500))
    for event in await collect(ScriptedBackend(table(second=bad))):
        line = dump_event(event)
        assert "\n" not in line
        assert load_event(line) == event


async def test_the_last_event_holds_the_result() -> None:
    async with watch(ScriptedBackend(table())) as run:
        events = [event async for event in run]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].result == run.result
    assert run.result.answer == "42"


async def test_there_is_no_result_before_the_end() -> None:
    async with watch(ScriptedBackend(table())) as run:
        with pytest.raises(RuntimeError, match="no result yet"):
            _ = run.result


async def test_a_run_must_be_opened_before_it_is_read() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(watch(ScriptedBackend(table())))


async def test_a_second_loop_over_a_finished_run_ends_at_once() -> None:
    async with watch(ScriptedBackend(table())) as run:
        assert [event async for event in run]
        assert [event async for event in run] == []


async def test_leaving_early_stops_the_run_and_keeps_what_was_done() -> None:
    backend = ScriptedBackend(table(second=Reply(" tw", hangs=True)))
    async with watch(backend) as run:
        async for event in run:
            if isinstance(event, ThreadFinished):
                break
    assert backend.running == 0
    assert run.result.finish == "cancelled"
    assert "1: one\n</Thread>" in run.result.text


async def test_cancel_ends_the_loop_with_a_last_event() -> None:
    backend = ScriptedBackend(table(open=Reply("<think>\nwell", hangs=True)))
    last = None
    async with watch(backend) as run:
        async for event in run:
            last = event
            if isinstance(event, SegmentDelta) and event.text.endswith("well"):
                run.cancel()
    assert isinstance(last, RunFinished)
    assert last.result.finish == "cancelled"
    assert last.result.text == "<think>\nwell"


async def test_an_error_comes_out_of_the_loop_after_the_last_event() -> None:
    down = APIStatusError("down", status=503)
    seen: list[str] = []
    with pytest.raises(APIStatusError, match="down"):
        async with watch(ScriptedBackend(table(open=Reply("<think>", error=down)))) as run:
            async for event in run:
                seen.append(event.kind)
    assert seen[-1] == "run_finished"
    assert run.result.finish == "error"


async def test_an_error_nobody_read_is_raised_at_the_end_of_the_block() -> None:
    backend = ScriptedBackend(table(open=Reply(error=APIStatusError("down", status=503))))
    with pytest.raises(APIStatusError, match="down"):
        async with watch(backend) as run:
            await asyncio.wait_for(_ended(backend), 5)
            await asyncio.sleep(0)
    assert run.result.finish == "error"


async def _ended(backend: ScriptedBackend) -> None:
    while not backend.requests or backend.running:
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_callback_sees_every_event_too() -> None:
    seen: list[Event] = []
    async with watch(ScriptedBackend(table()), seen.append) as run:
        events = [event async for event in run]
    assert seen == events


async def test_a_run_cancelled_after_any_number_of_steps_leaves_no_completion_behind() -> None:
    chance = random.Random(7)
    for _ in range(50):
        backend = ScriptedBackend(table(), characters=1)
        task = asyncio.create_task(play(backend))
        for _ in range(chance.randrange(200)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert backend.running == 0
