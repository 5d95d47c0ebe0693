"""A limiter under requests that come, end, fail and are cancelled in any order, at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.collecting import asking, policy
from weaver_sdk.backends.base import Chunk, CompletionRequest
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.errors import APIStatusError, BackendError, TruncatedStream

STEPS = st.lists(
    st.sampled_from(["come", "come", "end", "refuse", "fail", "cancel one", "cancel a holder", "settle"]),
    max_size=60,
)


async def settle() -> None:
    """Let everybody go on as far as they get."""
    for _ in range(12):
        await asyncio.sleep(0)


class Crowd:
    """Requests at one limiter: who waits, who holds a permit, and who ever had one."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self.limiter = limiter
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.holding: dict[int, asyncio.Future[None]] = {}
        self.admitted: set[int] = set()

    @property
    def waiting(self) -> list[int]:
        return [
            ticket for ticket, task in self.tasks.items() if not task.done() and ticket not in self.admitted
        ]

    def come(self) -> None:
        ticket = self.limiter.ticket()
        self.tasks[ticket] = asyncio.create_task(self._request(ticket))

    def end(self, ticket: int, error: Exception | None = None) -> None:
        ending = self.holding[ticket]
        if ending.done():  # it has been ended or cancelled, and does not know yet
            return
        if error is None:
            ending.set_result(None)
        else:
            ending.set_exception(error)

    async def _request(self, ticket: int) -> None:
        with suppress(BackendError):
            async with self.limiter.permit(ticket) as permit:
                self.admitted.add(ticket)
                permit.accepted = True
                self.holding[ticket] = asyncio.get_running_loop().create_future()
                try:
                    await self.holding[ticket]
                finally:
                    del self.holding[ticket]

    def check_at_rest(self) -> None:
        limiter, waiting = self.limiter, self.waiting
        assert len(self.holding) == limiter.in_use  # no permit is lost, none is held twice
        assert limiter.has_room == (limiter.in_use < (limiter.learned or limiter.bound))
        if waiting:
            assert not limiter.has_room  # nobody waits for nothing
            assert not self.admitted or min(waiting) > max(self.admitted)  # first come, first served


async def interleave(steps: list[str], bound: int, learn: bool, pick: Callable[[list[int]], int]) -> None:
    crowd = Crowd(ConcurrencyLimiter(bound, learn=learn))
    for step in steps:
        holders, living = list(crowd.holding), [n for n, task in crowd.tasks.items() if not task.done()]
        if step == "come":
            crowd.come()
        elif step == "settle":
            await settle()
            crowd.check_at_rest()
        elif step == "cancel one" and living:
            crowd.tasks[pick(living)].cancel()
        elif step == "cancel a holder" and holders:
            crowd.tasks[pick(holders)].cancel()
        elif holders:
            error = {"refuse": APIStatusError("no", status=429), "fail": APIStatusError("no", status=500)}
            crowd.end(pick(holders), error.get(step))
        assert crowd.limiter.in_use <= bound
        assert crowd.limiter.learned is None or (learn and 1 <= crowd.limiter.learned <= bound)
    await settle()
    crowd.check_at_rest()
    while crowd.holding:
        for ticket in list(crowd.holding):
            crowd.end(ticket)
        await settle()
        assert crowd.limiter.in_use <= bound
        crowd.check_at_rest()
    assert not crowd.waiting  # all were served, or went away themselves
    assert crowd.limiter.in_use == 0
    assert all(task.done() for task in crowd.tasks.values())


@given(steps=STEPS, bound=st.integers(1, 5), learn=st.booleans(), data=st.data())
def test_in_any_order_the_bound_holds_the_first_goes_first_and_no_permit_is_lost(
    steps: list[str], bound: int, learn: bool, data: st.DataObject
) -> None:
    asyncio.run(interleave(steps, bound, learn, lambda those: data.draw(st.sampled_from(those))))


@pytest.mark.parametrize("seed", range(20))
async def test_streams_that_fail_are_refused_cancelled_and_closed_lose_no_permit(seed: int) -> None:
    dice = random.Random(seed)
    bound = dice.randint(1, 4)
    limiter = ConcurrencyLimiter(bound)
    running = most = 0

    async def attempt(_: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            for _ in range(dice.randint(0, 4)):
                await asyncio.sleep(0)
                yield Chunk(text="word")
            how = dice.random()
            if how < 0.2:
                raise APIStatusError("no", status=429)
            if how < 0.3:
                raise TruncatedStream("cut")
            yield Chunk(finish_reason="stop")
        finally:
            running -= 1

    async def read() -> None:
        stream = stream_with_retries(attempt, asking(prefill_only=dice.random() < 0.1), policy(2), limiter)
        enough = dice.randint(1, 12)
        try:
            async for _ in stream:
                enough -= 1
                if not enough:
                    break
        except BackendError:
            pass
        finally:
            await stream.aclose()

    tasks: list[asyncio.Task[None]] = []
    for _ in range(60):
        tasks.append(asyncio.create_task(read()))
        for _ in range(dice.randint(0, 3)):
            await asyncio.sleep(0)
        if dice.random() < 0.3:
            dice.choice(tasks).cancel()
    await asyncio.wait(tasks)
    assert most <= bound
    assert (running, limiter.in_use) == (0, 0)
    assert limiter.has_room


async def test_one_that_is_thrown_away_while_it_waits_takes_no_permit_along() -> None:
    limiter = ConcurrencyLimiter(1)

    async def hold() -> None:
        async with limiter.permit(limiter.ticket()):
            raise AssertionError("it was never to be let in")

    async with limiter.permit(limiter.ticket()):
        thrown_away = hold()
        thrown_away.send(None)  # it waits
    assert limiter.in_use == 1  # let in
    thrown_away.close()  # and gone before it knew
    await settle()
    assert limiter.in_use == 0
    async with limiter.permit(limiter.ticket()):
        thrown_away = hold()
        thrown_away.send(None)
        thrown_away.close()
        await settle()
    assert limiter.in_use == 0
