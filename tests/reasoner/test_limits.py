"""How many completions run at once, what waits, and whose time that is."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from weaver_sdk import ConfigurationError, Limits, ParallelReasoner, RetryPolicy
from weaver_sdk.backends.base import Backend, SupportsChatTemplate
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.limited import LimitedBackend, limited
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.litellm import LiteLLMBackend
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.events import Event, ThreadFinished, ThreadStarted
from weaver_sdk.result import Fork
from weaver_sdk.testing import Behaviour, Reply, ScriptedBackend, ScriptedServer, fork_join_script

WIDE = fork_join_script(1, before_tokens=110, thread_tokens=[6] * 12)
PROBLEM = WIDE.trajectories[0].problem
URL = "http://127.0.0.1:1/v1"


async def test_on_one_permit_threads_follow_one_another_in_order() -> None:
    backend = ScriptedBackend(WIDE)
    events: list[Event] = []
    async with ParallelReasoner(backend=backend, template="raw", max_concurrency=1) as reasoner:
        result = await reasoner.solve(PROBLEM, on_event=events.append)
    (fork,) = (part for part in result.trace if isinstance(part, Fork))
    assert len(fork.threads) == 12
    assert all(before.ended <= after.started for before, after in pairwise(fork.threads))
    told = [event for event in events if isinstance(event, ThreadStarted | ThreadFinished)]
    assert [event.kind for event in told] == ["thread_started", "thread_finished"] * 12
    assert [event.thread for event in told[::2]] == list(range(1, 13))
    assert backend.most_running == 1
    assert result.telemetry.requests == 14
    times = [thread.ended - thread.started for thread in fork.threads]
    assert result.telemetry.overhead_seconds >= sum(times) - max(times) - 1e-6


@pytest.mark.parametrize("most", [1, 3, Limits(max_concurrency=3), Limits(max_concurrency=2, learn=False)])
async def test_the_number_holds_over_all_runs(most: int | Limits) -> None:
    backend = ScriptedBackend(WIDE)
    async with ParallelReasoner(backend=backend, template="raw", max_concurrency=most) as reasoner:
        results = await asyncio.gather(*(reasoner.solve(PROBLEM) for _ in range(4)))
    assert backend.most_running == Limits.of(most).max_concurrency
    assert {result.text for result in results} == {WIDE.text(PROBLEM)}


@pytest.mark.parametrize("given", [2, 64])
async def test_of_two_numbers_the_smaller_one_counts(given: int) -> None:
    async with ScriptedServer(WIDE, pace=0.001) as asked:
        backend = CompletionsBackend("m", asked.base_url, max_concurrency=3)
        async with ParallelReasoner(
            backend=backend, dialect="threadweaver", template="raw", max_concurrency=given
        ) as reasoner:
            result = await reasoner.solve(PROBLEM)
        await backend.aclose()
        assert asked.connections == min(given, 3)
    assert result.text == WIDE.text(PROBLEM)
    assert result.telemetry.requests == 14


async def test_a_thread_that_was_never_sent_has_no_time_and_is_no_request() -> None:
    backend = ScriptedBackend(
        lambda request: Reply(hangs=True) if "<Thread>" in request.text else WIDE(request.text)
    )
    async with ParallelReasoner(backend=backend, template="raw", max_concurrency=1) as reasoner:
        async with reasoner.stream(PROBLEM) as run:
            async for event in run:
                if isinstance(event, ThreadStarted):
                    break
        assert run.result is not None
    (fork,) = (part for part in run.result.trace if isinstance(part, Fork))
    first, *others = fork.threads
    assert first.ended >= first.started > 0
    assert all(thread.started == thread.ended for thread in others)
    assert run.result.telemetry.requests == 2


async def test_a_refusal_is_learnt_from_unless_that_is_not_wanted() -> None:
    one_refused = [*[Behaviour()] * 4, Behaviour(status=429)]
    for limits in (Limits(), Limits(learn=False)):
        async with ScriptedServer(WIDE, behave=one_refused, pace=0.001) as asked:
            reasoner = ParallelReasoner(
                base_url=asked.base_url,
                template="raw",
                max_concurrency=limits,
                retries=RetryPolicy(retries=3, sleep=lambda _: asyncio.sleep(0)),
            )
            async with reasoner:
                result = await reasoner.solve(PROBLEM)
                backend = (await reasoner._session()).backend
        assert result.text == WIDE.text(PROBLEM)
        assert result.telemetry.retries == 1
        assert isinstance(backend, CompletionsBackend)
        assert (backend.limiter.learned is not None) == limits.learn


async def test_a_backend_of_ours_is_limited_once_and_any_other_is_wrapped() -> None:
    ours: list[Backend] = [
        CompletionsBackend("m", URL),
        LiteLLMBackend("openai/m"),
        LlamaBackend(URL, model="m", slots=8),
        LimitedBackend(ScriptedBackend({}), ConcurrencyLimiter(4)),
    ]
    for backend in ours:
        assert limited(backend, Limits()) is backend
        await backend.aclose()
    other = ScriptedBackend({})
    around = limited(other, Limits(max_concurrency=3))
    assert isinstance(around, LimitedBackend)
    assert around.limiter.bound == 3
    assert (around.model, around.capabilities) == (other.model, other.capabilities)
    assert "ScriptedBackend" in repr(around)
    await around.aclose()
    assert not other.closed


@pytest.mark.parametrize(("slots", "most", "bound"), [(8, 64, 8), (8, 3, 3), (1, Limits(), 1)])
async def test_an_engine_gets_no_more_than_it_has_slots(slots: int, most: int | Limits, bound: int) -> None:
    backend = LlamaBackend(URL, model="m", slots=slots, max_concurrency=most)
    assert backend.limiter.bound == bound
    await backend.aclose()


class TellsMore(ScriptedBackend):
    """A user's own backend, with what a connection looks for."""

    async def chat_template(self):  # type: ignore[no-untyped-def]
        return lambda messages: f"[user] {messages[-1]['content']}"

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        return (1, 2)


async def test_what_a_backend_can_tell_is_still_asked_of_it() -> None:
    backend = TellsMore(WIDE)
    assert isinstance(backend, SupportsChatTemplate)
    async with ParallelReasoner(backend=backend) as reasoner:
        assert (await reasoner.solve(PROBLEM)).text == WIDE.text(PROBLEM)
    assert backend.requests[0].text.startswith(f"[user] {PROBLEM}")


def test_a_limit_is_one_or_more() -> None:
    with pytest.raises(ConfigurationError, match="max_concurrency=0"):
        Limits(max_concurrency=0)
    assert Limits.of(3) == Limits(max_concurrency=3)
    assert RetryPolicy.of(3) == RetryPolicy(retries=3)
