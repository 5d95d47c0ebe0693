"""Join warming: what is sent ahead of a join, when, and what it saves."""

import asyncio
from collections.abc import Callable

import pytest

from tests.runtime.play import ANSWER, kinds, new_run
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.errors import APIStatusError
from weaver_sdk.options import Budget
from weaver_sdk.result import Result
from weaver_sdk.testing import Reply, ScriptedBackend

LONG = " " + "so and so many words, " * 20
OPEN = (
    "<think>\n<Parallel>\n<Outlines>\n"
    + "".join(f"<Outline>{n}: part</Outline>\n" for n in range(1, 5))
    + "</Outlines>"
)


class Gate:
    """Holds the threads of one block back, each until it is opened."""

    def __init__(self, threads: int) -> None:
        self.open = {n: asyncio.Event() for n in range(1, threads + 1)}
        self.ahead: list[str] = []
        self.arrived = asyncio.Event()
        self.fails: Exception | None = None

    def backend(self) -> ScriptedBackend:
        gate = self

        class Gated(ScriptedBackend):
            async def stream(self, request: CompletionRequest):  # type: ignore[no-untyped-def]
                if request.prefill_only:
                    gate.ahead.append(request.prefix)
                    gate.arrived.set()
                elif (number := _thread(request)) is not None:
                    await gate.open[number].wait()
                async for chunk in super().stream(request):
                    yield chunk

        return Gated(self.answer, prefix_cache=True)

    def answer(self, request: CompletionRequest) -> Reply | str:
        if request.prefill_only:
            return Reply("x", error=self.fails, usage=True)
        if (number := _thread(request)) is not None:
            return f"{LONG}{number}\n</Thread>"
        return ANSWER if "</Thread>" in request.prefix else OPEN

    async def ended(self, *numbers: int) -> None:
        """Let threads end, and the run come to rest behind them."""
        for number in numbers:
            self.open[number].set()
            for _ in range(400):
                await asyncio.sleep(0)


def _thread(request: CompletionRequest) -> int | None:
    seed = request.prefix.rpartition("<Thread>\n")[2]
    return int(seed[:-1]) if seed[:-1].isdigit() and seed.endswith(":") else None


async def play_in_order(
    *order: int, gate: Gate | None = None, warm: bool = True, places: int = 64, budget: Budget | None = None
) -> tuple[Result, Gate, ScriptedBackend]:
    """Run one block whose threads end in this order."""
    gate = gate or Gate(4)
    backend = gate.backend()
    run = asyncio.create_task(new_run(backend, warm_joins=warm, places=places, budget=budget).execute())
    await gate.ended(*order)
    return await run, gate, backend


async def test_leading_threads_are_computed_ahead_while_a_later_one_runs() -> None:
    result, gate, _ = await play_in_order(1, 2, 3, 4)
    join = result.text.removesuffix(ANSWER)
    assert len(gate.ahead) == 2
    assert all(join.startswith(text) and text.endswith("</Thread>") for text in gate.ahead)
    assert [text.count("</Thread>") for text in gate.ahead] == [2, 3]


async def test_what_ended_out_of_order_waits_for_the_threads_before_it() -> None:
    _, gate, _ = await play_in_order(3, 2, 1, 4)
    assert [text.count("</Thread>") for text in gate.ahead] == [3]


async def test_nothing_is_sent_where_the_first_thread_is_the_last() -> None:
    _, gate, _ = await play_in_order(4, 3, 2, 1)
    assert gate.ahead == []


async def test_nothing_is_sent_where_it_is_off() -> None:
    result, gate, _ = await play_in_order(1, 2, 3, 4, warm=False)
    assert gate.ahead == []
    assert result.telemetry.warm_requests == 0
    assert result.telemetry.warm_prefill_tokens is None


async def test_a_warm_join_computes_the_last_thread_alone() -> None:
    cold, _, _ = await play_in_order(1, 2, 3, 4, warm=False)
    warm, _, _ = await play_in_order(1, 2, 3, 4)
    assert warm.text == cold.text
    assert cold.telemetry.join_prefill_tokens is not None
    assert warm.telemetry.join_prefill_tokens is not None
    assert warm.telemetry.join_prefill_tokens * 2.5 < cold.telemetry.join_prefill_tokens
    ahead = warm.telemetry.warm_prefill_tokens
    assert ahead is not None
    assert ahead + warm.telemetry.join_prefill_tokens >= cold.telemetry.join_prefill_tokens
    assert warm.telemetry.requests == cold.telemetry.requests + 2


async def test_what_is_computed_ahead_counts_as_no_token_of_the_run() -> None:
    cold, _, _ = await play_in_order(1, 2, 3, 4, warm=False)
    warm, _, _ = await play_in_order(1, 2, 3, 4)
    assert warm.telemetry.total_tokens == cold.telemetry.total_tokens
    assert warm.trace[0] is not None
    assert [part.kind for part in warm.trace] == ["segment", "fork", "segment"]


async def test_a_server_that_fails_ahead_of_a_join_fails_nothing() -> None:
    gate = Gate(4)
    gate.fails = APIStatusError("no room", status=503)
    result, gate, _ = await play_in_order(1, 2, 3, 4, gate=gate)
    assert len(gate.ahead) == 2
    assert result.finish == "stop"
    assert kinds(result) == []


async def test_completions_go_before() -> None:
    _, gate, backend = await play_in_order(1, 2, 3, 4, places=1)
    assert gate.ahead == []
    assert backend.most_running == 1


async def test_what_still_runs_ahead_is_closed_when_the_join_is_sent() -> None:
    gate = Gate(4)
    backend = gate.backend()
    hang = Reply("", hangs=True)
    answer = gate.answer
    gate.answer = lambda request: hang if request.prefill_only else answer(request)  # type: ignore[method-assign]
    backend = gate.backend()
    run = asyncio.create_task(new_run(backend, warm_joins=True).execute())
    await gate.ended(1, 2)
    assert backend.running == 1
    await gate.ended(3, 4)
    result = await run
    assert result.finish == "stop"
    assert backend.running == 0
    assert backend.aborted == 1


@pytest.mark.parametrize("steps", [0, 5, 50, 500])
async def test_a_run_cancelled_while_it_warms_leaves_nothing_behind(steps: int) -> None:
    gate = Gate(4)
    answer: Callable[[CompletionRequest], Reply | str] = gate.answer
    hang = Reply("", hangs=True)
    gate.answer = lambda request: hang if request.prefill_only else answer(request)  # type: ignore[method-assign]
    backend = gate.backend()
    run = asyncio.create_task(new_run(backend, warm_joins=True).execute())
    for number in (1, 2):
        gate.open[number].set()
    for _ in range(steps):
        await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait([run])
    assert backend.running == 0


async def test_threads_that_are_cut_are_warmed_as_they_are_joined() -> None:
    result, gate, _ = await play_in_order(1, 2, 3, 4, budget=Budget(thread_tokens=60))
    assert gate.ahead
    assert all(result.text.startswith(text) for text in gate.ahead)
