"""Limits the concurrent requests to one server: a bound, a limit learned from 429s, a queue. No I/O.

Many hosts respond to a burst of requests with 429s. So those of one burst count as one signal, and cut the
limit once; completions that succeed under a full limit raise it again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from weaver_sdk.errors import APIStatusError

_log = logging.getLogger("weaver_sdk")

TOO_MANY = 429
GROWS_AFTER = 10
"""Completions that have to succeed under a full limit before it is raised by one."""


@dataclass(eq=False)
class Permit:
    """The right to have one request in flight."""

    episode: int
    """How often the limit had been cut when the permit was given."""
    accepted: bool = False
    """Whether the server has begun to respond."""
    crowded: bool = False
    """Whether the request got a 429 while others were in flight. That does not count as a failure."""


@dataclass
class AdaptiveLimit:
    """The arithmetic alone: which permits are in use, and how many may be."""

    bound: int
    """The maximum number of permits, whatever is learned."""
    learn: bool = True
    """Whether 429s and successes change the limit."""
    learned: int | None = None
    """The concurrency limit learned from 429s; `None` before the first."""
    out: set[Permit] = field(default_factory=set)
    _episode: int = 0
    _successes: int = 0
    _proven: int = 0
    """The highest limit that was full for long enough without a 429; 0 if none."""

    @property
    def full(self) -> bool:
        """Whether no permit may be given now."""
        return len(self.out) >= (self.bound if self.learned is None else min(self.bound, self.learned))

    def take(self) -> Permit:
        """Give a permit. The caller has checked that the limit is not `full`."""
        permit = Permit(self._episode)
        self.out.add(permit)
        return permit

    def refused(self, permit: Permit) -> bool:
        """Take back the permit of a request that got a 429; return whether the limit was cut.

        The new limit is the greatest of three: the one that was proven before the last raise, the requests to
        which the server is responding now, and half of those in flight. A request that was sent before the
        last cut does not cut it again. Nor does one that was alone: its 429 is about a rate, which no limit
        on concurrency can fix.
        """
        together = len(self.out)
        self.out.discard(permit)
        if not self.learn:
            return False
        permit.crowded = together > 1
        if not permit.crowded or permit.episode < self._episode:
            return False
        answered = sum(other.accepted for other in self.out)
        if together <= self._proven:
            self._proven = 0  # the server no longer accepts as many
        self.learned = max(1, answered, together // 2, self._proven)
        self._episode += 1
        self._successes = 0
        return True

    def ended(self, permit: Permit) -> bool:
        """Take back the permit of a request that ended without a 429; return whether the limit was raised."""
        full = self.full
        self.out.discard(permit)
        if self.learned is None or self.learned >= self.bound:
            return False
        if not full or not permit.accepted or permit.episode < self._episode:
            return False
        self._successes += 1
        if self._successes < GROWS_AFTER:
            return False
        self._successes = 0
        self._proven = self.learned
        self.learned += 1
        return True


class ConcurrencyLimiter:
    """Admits requests up to the learned concurrency limit, in FIFO order.

    One limiter may serve any number of runs. Between requests it is bound to no event loop.

    Args:
        bound: the maximum of concurrent requests, such as the slots of an engine.
        learn: whether 429s lower the limit below the bound.
        where: the server's name in the log.
    """

    def __init__(self, bound: int, *, learn: bool = True, where: str = "the server") -> None:
        self._limit = AdaptiveLimit(bound, learn=learn)
        self._where = where
        self._tickets = itertools.count()
        self._waiting: list[tuple[int, asyncio.Future[Permit]]] = []

    @property
    def bound(self) -> int:
        """The maximum of concurrent requests, whatever is learned."""
        return self._limit.bound

    @property
    def learned(self) -> int | None:
        """The concurrency limit learned from 429s; `None` before the first."""
        return self._limit.learned

    @property
    def in_use(self) -> int:
        """The number of permits in use."""
        return len(self._limit.out)

    @property
    def has_room(self) -> bool:
        """Whether a permit is free now. If so, no request is waiting."""
        return not self._limit.full  # a freed permit goes to a waiting request at once

    def ticket(self) -> int:
        """Return a place in the queue: one for each completion, kept over its retries."""
        return next(self._tickets)

    @asynccontextmanager
    async def permit(self, ticket: int) -> AsyncGenerator[Permit, None]:
        """Wait for a permit, hold it for one request, and learn from how the request ends.

        Raises:
            BackendError: raised in the body; a 429 may cut the limit.
        """
        permit = await self._acquire(ticket)
        try:
            yield permit
        except APIStatusError as error:
            if error.status == TOO_MANY:
                self._refused(permit)
            else:
                self._ended(permit)
            raise
        except BaseException:  # includes the GeneratorExit of a reader that stops early
            self._ended(permit)
            raise
        else:
            self._ended(permit)

    async def _acquire(self, ticket: int) -> Permit:
        if not self._limit.full:
            return self._limit.take()
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (ticket, turn))
        try:
            return await turn
        except BaseException:
            if not turn.cancel() and not turn.cancelled():  # admitted at the moment of its cancellation
                self._ended(turn.result())
            raise

    def _refused(self, permit: Permit) -> None:
        together = self.in_use
        if self._limit.refused(permit):
            _log.info(
                "%s refused one of %d concurrent requests: %d at most from now on",
                self._where,
                together,
                self.learned,
            )
        self._admit_waiting()

    def _ended(self, permit: Permit) -> None:
        if self._limit.ended(permit):
            _log.info(
                "%s has accepted all requests: %d concurrent requests are allowed now",
                self._where,
                self.learned,
            )
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        while self._waiting and not self._limit.full:
            _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(self._limit.take())
