"""A host that takes few requests at once: the limit is learnt, nothing is lost, nobody waits for ever."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.collecting import WORDS, asking, collect, policy, server
from weaver_sdk import ParallelReasoner, Result
from weaver_sdk.backends.base import Chunk, CompletionRequest, Retry
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.limiter import GROWS_AFTER, AdaptiveLimit, ConcurrencyLimiter, Permit
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.errors import APIStatusError, BackendError, ConnectionFailed
from weaver_sdk.events import Event, Retried
from weaver_sdk.options import Limits
from weaver_sdk.testing import Behaviour, Received, ScriptedServer, fork_join_script

MANY = 100
"""A bound that nobody reaches."""

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
    assert backend.limiter.learned in (4, 5)
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
    assert backend.limiter.learned in (1, 2)


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
    assert backend.limiter.learned is None


async def test_a_request_that_is_refused_alone_tells_nothing_of_a_number() -> None:
    async with server(Behaviour(status=429), Behaviour(status=429)) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2))
        assert (await collect(backend)).error is None
        await backend.aclose()
    assert backend.limiter.learned is None
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


async def test_a_limit_that_is_not_to_learn_stays_and_a_429_is_like_any_error() -> None:
    async with server(*[Behaviour(status=429)] * 12) as asked:
        limits = Limits(max_concurrency=4, learn=False)
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(2), max_concurrency=limits)
        got = await asyncio.gather(*(collect(backend) for _ in range(4)))
        await backend.aclose()
        assert len(asked.completions) == 4 * 3
    assert all(isinstance(one.error, APIStatusError) for one in got)
    assert backend.limiter.learned is None


def completing(
    limiter: ConcurrencyLimiter, error: BackendError | None = None, **changes: bool
) -> AsyncGenerator[Chunk, None]:
    async def attempt(_: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        if error is not None:
            raise error
        yield Chunk(finish_reason="stop")

    return stream_with_retries(attempt, asking(**changes), policy(0), limiter)


async def test_a_permit_is_given_back_however_a_request_ends() -> None:
    limiter = ConcurrencyLimiter(1)
    for error in (APIStatusError("no", status=429), APIStatusError("no", status=500), ConnectionFailed("no")):
        stream = completing(limiter, error)
        assert (await anext(stream)).sent
        with pytest.raises(type(error)):
            await anext(stream)
    stream = completing(limiter)
    await anext(stream)
    assert not limiter.has_room
    await stream.aclose()  # a reader who has read enough
    assert limiter.in_use == 0
    assert [chunk async for chunk in completing(limiter)]


async def test_what_only_fills_the_cache_never_stands_in_the_queue() -> None:
    limiter = ConcurrencyLimiter(1)
    first = completing(limiter)
    await anext(first)
    waiting = asyncio.ensure_future(anext(completing(limiter)))
    await asyncio.sleep(0)
    assert [chunk async for chunk in completing(limiter, prefill_only=True)] == [
        Chunk(finish_reason="length")
    ]
    await first.aclose()
    assert [chunk async for chunk in completing(limiter, prefill_only=True)] == [
        Chunk(finish_reason="length")
    ]
    assert (await waiting).sent


async def test_what_only_fills_the_cache_takes_a_permit_where_one_is_free() -> None:
    limiter = ConcurrencyLimiter(1)
    stream = completing(limiter, prefill_only=True)
    assert (await anext(stream)).sent
    assert not limiter.has_room
    await stream.aclose()
    assert limiter.has_room


async def test_what_only_fills_the_cache_is_not_sent_again_where_others_wait() -> None:
    limiter = ConcurrencyLimiter(2)
    others = [completing(limiter) for _ in range(2)]
    await anext(others[0])

    async def busy(_: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        raise APIStatusError("no", status=429)
        yield

    stream = stream_with_retries(busy, asking(prefill_only=True), policy(5), limiter)
    told = [await anext(stream), await anext(stream)]
    assert told[0].sent
    assert told[1].retry
    assert limiter.learned == 1  # which the other one fills
    assert [chunk async for chunk in stream] == [Chunk(finish_reason="length")]
    await others[0].aclose()


async def test_who_goes_away_gives_up_its_place_in_the_queue() -> None:
    limiter = ConcurrencyLimiter(1)
    first = completing(limiter)
    await anext(first)
    waiting = [asyncio.ensure_future(anext(completing(limiter))) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await first.aclose()  # lets the second through
    waiting[1].cancel()  # in the same moment
    chunk = await waiting[2]
    assert chunk == Chunk(sent=True)
    assert all(task.cancelled() for task in waiting[:2])


async def test_who_came_first_is_sent_first_also_when_it_is_sent_again() -> None:
    limiter, sent = ConcurrencyLimiter(1), list[int]()
    tickets = [limiter.ticket() for _ in range(4)]

    async def send(ticket: int) -> None:
        async with limiter.permit(ticket):
            sent.append(ticket)
            await asyncio.sleep(0)

    await asyncio.gather(*(send(ticket) for ticket in (tickets[3], tickets[2], tickets[0], tickets[1])))
    assert sent == [3, 0, 1, 2]


def test_refusals_that_come_together_cut_once() -> None:
    limit = AdaptiveLimit(MANY)
    permits = [limit.take() for _ in range(16)]
    assert [limit.refused(permit) for permit in permits[4:]] == [True] + [False] * 11
    assert (limit.learned, limit.full) == (8, False)


def test_what_is_being_answered_is_not_cut() -> None:
    limit = AdaptiveLimit(MANY)
    permits = [limit.take() for _ in range(5)]
    for permit in permits[:4]:
        permit.accepted = True
    assert limit.refused(permits[4])
    assert limit.learned == 4


def test_a_raise_that_was_refused_is_taken_back_and_no_more() -> None:
    limit = AdaptiveLimit(MANY, learned=4)
    others = [limit.take() for _ in range(3)]
    for _ in range(GROWS_AFTER):
        permit = limit.take()
        permit.accepted = True
        limit.ended(permit)
    permits = [limit.take(), limit.take()]
    assert limit.refused(permits[1])  # of five, none has been answered yet
    assert limit.learned == 4
    limit.ended(permits[0])
    assert limit.refused(limit.take())  # what was proven is no longer true
    assert limit.learned == 2
    assert len(limit.out) == len(others)


def test_it_is_raised_by_one_after_some_that_went_well_while_it_was_full() -> None:
    limit = AdaptiveLimit(MANY, learned=2)
    raised = list[bool]()
    waiting = limit.take()
    for _ in range(GROWS_AFTER):
        permit = limit.take()
        permit.accepted = True
        raised.append(limit.ended(permit))
    assert raised == [False] * (GROWS_AFTER - 1) + [True]
    assert limit.learned == 3
    for _ in range(5 * GROWS_AFTER):  # two of three: nothing is learnt of a third
        permit = limit.take()
        permit.accepted = True
        assert not limit.ended(permit)
    limit.ended(waiting)
    assert not limit.out


def test_it_is_never_raised_over_the_bound() -> None:
    limit = AdaptiveLimit(3, learned=2)
    waiting = [limit.take()]
    for _ in range(5 * GROWS_AFTER):
        while len(limit.out) < (limit.learned or 0) - 1:
            waiting.append(limit.take())
        permit = limit.take()
        permit.accepted = True
        limit.ended(permit)
    assert limit.learned == 3


async def test_that_a_request_left_is_no_answer_yet() -> None:
    limiter = ConcurrencyLimiter(MANY)

    async def silent(_: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(sent=True)  # a backend with retries of its own
        yield Chunk(retry=Retry(attempt=2, delay=0, reason="no"))
        yield Chunk(text="an answer")

    under_way = [stream_with_retries(silent, asking(), policy(0), limiter) for _ in range(5)]
    for stream in under_way:
        assert [bool((await anext(stream)).text) for _ in range(3)] == [False] * 3
    with pytest.raises(APIStatusError):
        async for _ in completing(limiter, APIStatusError("no", status=429)):
            pass
    assert limiter.learned == 3  # half of six, not the five
    for stream in under_way:
        await stream.aclose()


@given(
    requests=st.integers(1, 60), takes=st.lists(st.integers(1, 20), min_size=1, max_size=4), data=st.data()
)
def test_whatever_a_host_takes_all_are_served(requests: int, takes: list[int], data: st.DataObject) -> None:
    """A host decides on requests, and ends them, in any order; what it takes at once changes on the way."""
    limit = AdaptiveLimit(MANY)
    waiting = list(range(requests))
    undecided: dict[int, Permit] = {}
    answering: dict[int, Permit] = {}
    refusals, cuts, raises = Counter[int](), 0, 0
    served = 0
    while served < requests:
        while waiting and not limit.full:
            undecided[waiting[0]] = limit.take()
            waiting.pop(0)
            assert limit.learned is None or len(limit.out) <= limit.learned
        which = data.draw(st.sampled_from(sorted(undecided) + sorted(answering)))
        if which in answering:
            raises += limit.ended(answering.pop(which))
            served += 1
            continue
        permit = undecided.pop(which)
        if len(answering) < takes[served * len(takes) // requests]:
            permit.accepted = data.draw(st.booleans())  # whether its first token is there
            answering[which] = permit
            continue
        before = limit.learned
        cut = limit.refused(permit)
        cuts += cut
        refusals[which] += 1
        waiting = sorted([*waiting, which])
        assert limit.learned is not None
        assert limit.learned >= 1
        assert cut == (limit.learned != before)
        assert before is None or limit.learned <= before
    assert not limit.out
    assert max(refusals.values(), default=0) <= cuts  # at most once in an episode
    assert cuts <= len(takes) * (requests.bit_length() + 1) + 2 * raises
