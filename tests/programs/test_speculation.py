"""A speculative completion: taken, shown in part, or dropped, with every token counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.play import new_run, run_program
from weaver_sdk.backends.base import Chunk
from weaver_sdk.errors import APIStatusError, BackendError
from weaver_sdk.options import Budget
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend

SIDE = "on the side"


def model(**changes: Any) -> dict[str, Any]:
    return {"Q": "one two three four", SIDE: "aside"} | changes


async def taking(scope: Scope) -> None:
    async with scope.speculate(scope.messages) as bare:
        await scope.ask(SIDE, phase="plan", keep=False)
        await bare.take()


async def dropping(scope: Scope) -> None:
    async with scope.speculate(scope.messages) as bare:
        while "one" not in bare.text:
            await asyncio.sleep(0)
        await scope.ask(SIDE, phase="plan", keep=False)
        bare.show(len("one"))
    scope.write(" and more")


async def test_a_taken_one_is_the_answer() -> None:
    result = await run_program(taking, model())
    assert result.answer == "one two three four"
    assert result.telemetry.dropped_tokens == 0


async def test_its_text_is_an_event_once_it_is_taken_and_never_twice() -> None:
    kept: list[str] = []

    def note(event: Any) -> None:
        if event.kind == "segment_delta" and event.kept:
            kept.append(event.text)

    result = await run_program(taking, model(), listeners=(note,))
    assert "".join(kept) == result.answer


async def test_what_was_thought_is_an_event_once_it_is_taken() -> None:
    heard: list[str] = []

    def note(event: Any) -> None:
        if event.kind == "segment_delta" and event.kept:
            heard.append(event.reasoning)

    async def program(scope: Scope) -> None:
        async with scope.speculate(scope.messages) as bare:
            while "4" not in bare.text:
                await asyncio.sleep(0)
            await bare.take()

    await run_program(program, Thinking([]), listeners=(note,))
    assert "".join(heard) == "2 + 2"


class Thinking(ScriptedBackend):
    """A server that tells its reasoning apart."""

    async def stream(self, request: Any) -> Any:
        yield Chunk(sent=True)
        yield Chunk(reasoning="2 + 2")
        yield Chunk(text="4")
        yield Chunk(finish_reason="stop")


async def test_it_runs_beside_the_line_on_the_critical_path() -> None:
    result = await run_program(taking, model(Q="word " * 50))
    sides = [part.tokens for part in result.trace if part.kind == "segment"]
    assert result.telemetry.critical_path_tokens == max(sides)
    assert result.telemetry.total_tokens == sum(sides)


async def test_of_a_dropped_one_only_what_was_shown_stays() -> None:
    result = await run_program(dropping, model(Q=Reply("one two three four", hangs=True)))
    assert result.text == result.answer == "one and more"
    assert result.telemetry.dropped_tokens > 0
    whole = sum(part.tokens for part in result.trace if part.kind == "segment")
    assert result.telemetry.total_tokens == whole


async def test_a_dropped_one_is_closed_at_the_server() -> None:
    backend = ScriptedBackend(model(Q=Reply("one", hangs=True)))
    await run_program(dropping, backend)
    assert (backend.running, backend.aborted) == (0, 1)


async def test_where_the_line_fails_its_text_is_kept() -> None:
    failing = Reply(error=APIStatusError("broken", status=500))
    with pytest.raises(BackendError) as raised:
        await run_program(dropping, model(**{SIDE: failing}, Q=Reply("one two", hangs=True)))
    assert raised.value.result is not None
    assert raised.value.result.text.startswith("one")


async def test_where_it_fails_taking_it_raises() -> None:
    failing = Reply("one", error=APIStatusError("broken", status=500))
    with pytest.raises(BackendError):
        await run_program(taking, model(Q=failing))
    result = await run_program(dropping, model(Q=failing))
    assert result.answer == "one and more"


async def test_where_the_budget_is_spent_its_text_is_kept() -> None:
    result = await run_program(
        taking, model(Q="word " * 100), budget=Budget(total_tokens=30, on_exhausted="stop")
    )
    assert result.finish == "budget"
    assert len((result.answer or "").split()) > 20


async def test_where_the_run_is_cancelled_its_text_is_kept() -> None:
    backend = ScriptedBackend(model(Q=Reply("one two", hangs=True), **{SIDE: Reply("", hangs=True)}))
    run = new_run(backend, strategy=taking)
    task = asyncio.create_task(run.execute())
    while not run.result().telemetry.total_tokens:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (run.result().answer or "").startswith("one")
