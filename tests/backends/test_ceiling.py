"""A host that takes few requests at once: the ceiling is learnt, nothing is lost, nobody waits for ever."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.collecting import WORDS, asking, collect, policy, server
from weaver_sdk import ParallelReasoner, Result
from weaver_sdk.backends.base import Chunk, CompletionRequest
from weaver_sdk.backends.ceiling import GROWS_AFTER, Ceiling, Gate, Sending
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.errors import APIStatusError, BackendError, ConnectionFailed
from weaver_sdk.events import Event, Retried
from weaver_sdk.testing import Behaviour, Received, ScriptedServer, fork_join_script

WIDE = fork_join_script(2, before_tokens=140, thread_tokens=[6] * 16)


def host(most: int, **more: float) -> ScriptedServer:
    """A host that takes so many requests at once, and answers the others with 429."""

    def behave(_: Received) -> Behaviour | None:
        return Behaviour(status=429) if asked.running > most else None

    asked = ScriptedServer(WIDE, behave=behave, **more)  # type: ignore[arg-type]
    return asked


async def solve_twice(asked: ScriptedServer) -> tuple[list[Result], list[int], CompletionsBackend]:
    """Two forks of 16, one after the other; how many requests were refused in each."""
    waits: list[float] = []
    backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2, waits))
    results, refused = [], []
    async with ParallelReasoner(backend=backend, dialect="threadweaver", template="raw") as reasoner:
        for trajectory in WIDE.trajectories:
            events: list[Event] = []
            results.append(await reasoner.solve(trajectory.problem, on_event=events.append))
            refused.append(sum(isinstance(event, Retried) for event in events))
    await backend.aclose()
    return results, refused, backend


async def test_a_host_that_takes_four_serves_forks_of_sixteen(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "weaver_sdk"):
        async with host(4, pace=0.003) as asked:
            results, refused, backend = await solve_twice(asked)
            address = asked.base_url
    for result, trajectory in zip(results, WIDE.trajectories, strict=True):
        assert result.answer == trajectory.answer
        assert result.text == WIDE.text(trajectory.problem)
        assert not result.repairs
        assert result.telemetry.threads == 16
    assert [result.telemetry.retries for result in results] == refused
    assert refused[0] > 4  # the first fork finds out
    assert refused[1] <= 3  # the second one only whether more would do by now
    assert backend.ceiling in (4, 5)
    told = [record.message for record in caplog.records if "at most from now on" in record.message]
    assert told[0].startswith(f"{address} refused one of ")


async def test_time_in_line_is_not_the_threads_own() -> None:
    async with host(2, pace=0.002) as asked:
        results, _, _ = await solve_twice(asked)
    (fork,) = (part for part in results[1].trace if part.kind == "fork")
    longest = max(thread.ended - thread.started for thread in fork.threads)
    assert longest < (fork.ended - fork.started) / 2
    assert results[1].telemetry.overhead_seconds > (fork.ended - fork.started) / 2


async def test_a_host_that_takes_one_at_a_time_loses_no_thread() -> None:
    async with host(1, pace=0.001) as asked:
        results, _, backend = await solve_twice(asked)
    assert not [repair for result in results for repair in result.repairs]
    assert backend.ceiling in (1, 2)


async def test_a_user_who_wants_no_retries_gets_none() -> None:
    async with host(1, pace=0.001) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(0))
        request = asking()
        request = CompletionRequest(prompt=request.prompt, prefix=WIDE.trajectories[0].problem)
        got = await asyncio.gather(*(collect(backend, request) for _ in range(3)))
        await backend.aclose()
    assert [getattr(one.error, "status", None) for one in got].count(429) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_an_overloaded_server_is_not_one_that_takes_few(status: int) -> None:
    async with server(*[Behaviour(status=status)] * 5) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2))
        got = await asyncio.gather(*(collect(backend) for _ in range(5)))
        await backend.aclose()
    assert [one.text for one in got] == [" " + WORDS] * 5
    assert backend.ceiling is None


async def test_a_request_that_is_refused_alone_tells_nothing_of_a_number() -> None:
    async with server(Behaviour(status=429), Behaviour(status=429)) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2))
        assert (await collect(backend)).error is None
        await backend.aclose()
    assert backend.ceiling is None
    async with server(*[Behaviour(status=429)] * 9) as asked:  # and it does not try for ever
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2))
        assert isinstance((await collect(backend)).error, APIStatusError)
        await backend.aclose()
        assert len(asked.completions) == 3


async def test_who_refuses_everybody_is_given_up() -> None:
    async with server(*[Behaviour(status=429)] * 500) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2))
        got = await asyncio.gather(*(collect(backend) for _ in range(16)))
        await backend.aclose()
        assert len(asked.completions) < 16 * 8
    assert all(isinstance(one.error, APIStatusError) for one in got)


def refusing(gate: Gate, error: BackendError | None = None) -> AsyncGenerator[Chunk, None]:
    async def attempt(_: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        if error is not None:
            raise error
        yield Chunk(finish_reason="stop")

    return stream_with_retries(attempt, asking(), policy(0), gate)


async def test_a_place_is_given_back_however_a_request_ends() -> None:
    gate = Gate()
    gate.ceiling.limit = 1
    for error in (APIStatusError("no", status=429), APIStatusError("no", status=500), ConnectionFailed("no")):
        with pytest.raises(type(error)):
            await anext(refusing(gate, error))
    stream = refusing(gate)
    await anext(stream)
    assert gate.ceiling.full
    await stream.aclose()  # a reader who has read enough
    assert not gate.ceiling.under_way
    assert [chunk async for chunk in refusing(gate)]


async def test_who_goes_away_gives_up_its_place_in_line() -> None:
    gate = Gate()
    gate.ceiling.limit = 1
    first = refusing(gate)
    await anext(first)
    waiting = [asyncio.ensure_future(anext(refusing(gate))) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await first.aclose()  # lets the second through
    waiting[1].cancel()  # in the same moment
    chunk = await waiting[2]
    assert chunk == Chunk(queued=True)
    assert all(task.cancelled() for task in waiting[:2])


async def test_who_came_first_is_sent_first_also_when_it_is_sent_again() -> None:
    gate, sent = Gate(), list[int]()
    gate.ceiling.limit = 1
    numbers = [gate.number() for _ in range(4)]

    async def send(number: int) -> None:
        async with gate.through(number):
            sent.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(send(number) for number in (numbers[3], numbers[2], numbers[0], numbers[1])))
    assert sent == [3, 0, 1, 2]


def test_refusals_that_come_together_cut_once() -> None:
    ceiling = Ceiling()
    sendings = [ceiling.send() for _ in range(16)]
    assert [ceiling.refused(sending) for sending in sendings[4:]] == [True] + [False] * 11
    assert (ceiling.limit, ceiling.full) == (8, False)


def test_what_is_being_answered_is_not_cut() -> None:
    ceiling = Ceiling()
    sendings = [ceiling.send() for _ in range(5)]
    for sending in sendings[:4]:
        sending.accepted = True
    assert ceiling.refused(sendings[4])
    assert ceiling.limit == 4


def test_a_lift_that_was_refused_is_taken_back_and_no_more() -> None:
    ceiling = Ceiling(limit=4)
    others = [ceiling.send() for _ in range(3)]
    for _ in range(GROWS_AFTER):
        sending = ceiling.send()
        sending.accepted = True
        ceiling.ended(sending)
    sendings = [ceiling.send(), ceiling.send()]
    assert ceiling.refused(sendings[1])  # of five, none has been answered yet
    assert ceiling.limit == 4
    ceiling.ended(sendings[0])
    assert ceiling.refused(ceiling.send())  # what was proven is no longer true
    assert ceiling.limit == 2
    assert len(ceiling.under_way) == len(others)


def test_it_is_lifted_by_one_after_some_that_went_well_while_it_was_full() -> None:
    ceiling = Ceiling(limit=2)
    lifted = list[bool]()
    waiting = ceiling.send()
    for _ in range(GROWS_AFTER):
        sending = ceiling.send()
        sending.accepted = True
        lifted.append(ceiling.ended(sending))
    assert lifted == [False] * (GROWS_AFTER - 1) + [True]
    assert ceiling.limit == 3
    for _ in range(5 * GROWS_AFTER):  # two of three: nothing is learnt of a third
        sending = ceiling.send()
        sending.accepted = True
        assert not ceiling.ended(sending)
    ceiling.ended(waiting)
    assert not ceiling.under_way


@given(
    requests=st.integers(1, 60), takes=st.lists(st.integers(1, 20), min_size=1, max_size=4), data=st.data()
)
def test_whatever_a_host_takes_all_are_served(requests: int, takes: list[int], data: st.DataObject) -> None:
    """A host decides on requests, and ends them, in any order; what it takes at once changes on the way."""
    ceiling = Ceiling()
    waiting = list(range(requests))
    undecided: dict[int, Sending] = {}
    answering: dict[int, Sending] = {}
    refusals, cuts, lifts = Counter[int](), 0, 0
    served = 0
    while served < requests:
        while waiting and not ceiling.full:
            undecided[waiting[0]] = ceiling.send()
            waiting.pop(0)
            assert ceiling.limit is None or len(ceiling.under_way) <= ceiling.limit
        which = data.draw(st.sampled_from(sorted(undecided) + sorted(answering)))
        if which in answering:
            lifts += ceiling.ended(answering.pop(which))
            served += 1
            continue
        sending = undecided.pop(which)
        if len(answering) < takes[served * len(takes) // requests]:
            sending.accepted = data.draw(st.booleans())  # whether its first token is there
            answering[which] = sending
            continue
        before = ceiling.limit
        cut = ceiling.refused(sending)
        cuts += cut
        refusals[which] += 1
        waiting = sorted([*waiting, which])
        assert ceiling.limit is not None
        assert ceiling.limit >= 1
        assert cut == (ceiling.limit != before)
        assert before is None or ceiling.limit <= before
    assert not ceiling.under_way
    assert max(refusals.values(), default=0) <= cuts  # at most once in an episode
    assert cuts <= len(takes) * (requests.bit_length() + 1) + 2 * lifts
