"""How many requests one server gets at once: a bound, what its 429s teach, and a queue. No clock, no I/O.

Many hosts answer 429 to requests at once. So 429s that come together are one sign, and the limit is cut once
for all of them; with completions that went well under it, it grows again.
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
"""Completions that have to go well under a full limit before it is raised by one."""


@dataclass(eq=False)
class Permit:
    """The right to have one request under way."""

    episode: int
    """How often the limit had been cut when it was given."""
    accepted: bool = False
    """Whether the server has begun to answer the request."""
    crowded: bool = False
    """Whether the request was refused while others were under way: that is no failure of its own."""


@dataclass
class AdaptiveLimit:
    """The numbers alone: which permits are out, and how many may be."""

    bound: int
    """The most permits, whatever is learnt."""
    learn: bool = True
    """Whether refusals and successes move the limit."""
    learned: int | None = None
    """The most requests at once as far as refusals have taught it; `None` without any."""
    out: set[Permit] = field(default_factory=set)
    _episode: int = 0
    _went_well: int = 0
    _proven: int = 0
    """A limit that was full for long enough without a refusal."""

    @property
    def full(self) -> bool:
        """Whether no permit may be given now."""
        return len(self.out) >= (self.bound if self.learned is None else min(self.bound, self.learned))

    def take(self) -> Permit:
        """Give a permit. The caller has seen that the limit is not `full`."""
        permit = Permit(self._episode)
        self.out.add(permit)
        return permit

    def refused(self, permit: Permit) -> bool:
        """Take a permit back whose request was refused for its number; return whether the limit was cut.

        It is cut to what went well before the last raise, to what the server is answering at this moment, or
        to half of what was under way: whatever is most. Not so by a request that was sent before the last
        cut, or that was the only one: it tells of a rate, which no limit on their number mends.
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
            self._proven = 0  # it no longer takes as many
        self.learned = max(1, answered, together // 2, self._proven)
        self._episode += 1
        self._went_well = 0
        return True

    def ended(self, permit: Permit) -> bool:
        """Take back the permit of a request that ended otherwise; return whether the limit was raised."""
        full = self.full
        self.out.discard(permit)
        if self.learned is None or self.learned >= self.bound:
            return False
        if not full or not permit.accepted or permit.episode < self._episode:
            return False
        self._went_well += 1
        if self._went_well < GROWS_AFTER:
            return False
        self._went_well = 0
        self._proven = self.learned
        self.learned += 1
        return True


class ConcurrencyLimiter:
    """Admits requests to one server up to a limit, first come, first served. The limit learns from 429s.

    One limiter may serve any number of runs; it holds nothing of an event loop between requests.

    Args:
        bound: the most requests at once, such as the slots of an engine.
        learn: whether the limit follows the server's 429s below the bound.
        where: the server, for the log.
    """

    def __init__(self, bound: int, *, learn: bool = True, where: str = "the server") -> None:
        self._limit = AdaptiveLimit(bound, learn=learn)
        self._where = where
        self._tickets = itertools.count()
        self._waiting: list[tuple[int, asyncio.Future[Permit]]] = []

    @property
    def bound(self) -> int:
        """The most requests at once, whatever is learnt."""
        return self._limit.bound

    @property
    def learned(self) -> int | None:
        """The most requests at once as far as refusals have taught it; `None` without any."""
        return self._limit.learned

    @property
    def in_use(self) -> int:
        """Permits that are out."""
        return len(self._limit.out)

    @property
    def has_room(self) -> bool:
        """Whether a permit can be had at once. Nobody waits for one then."""
        return not self._limit.full  # whoever waited has been let in by then

    def ticket(self) -> int:
        """Return a place in the queue: one for each completion, which keeps it when it is sent again."""
        return next(self._tickets)

    @asynccontextmanager
    async def permit(self, ticket: int) -> AsyncGenerator[Permit, None]:
        """Wait for a permit, hold it for one request, and learn from how that ends.

        Raises:
            BackendError: as it is raised within; a refusal for the number of requests cuts the limit.
        """
        permit = await self._admitted(ticket)
        try:
            yield permit
        except APIStatusError as error:
            if error.status == TOO_MANY:
                self._refused(permit)
            else:
                self._ended(permit)
            raise
        except BaseException:  # among them the GeneratorExit of a reader that has read enough
            self._ended(permit)
            raise
        else:
            self._ended(permit)

    async def _admitted(self, ticket: int) -> Permit:
        if not self._limit.full:
            return self._limit.take()
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (ticket, turn))
        try:
            return await turn
        except BaseException:
            if not turn.cancel() and not turn.cancelled():  # let in at the moment in which it gave up
                self._ended(turn.result())
            raise

    def _refused(self, permit: Permit) -> None:
        together = self.in_use
        if self._limit.refused(permit):
            _log.info(
                "%s refused one of %d requests at once: %d at most from now on",
                self._where,
                together,
                self.learned,
            )
        self._let_in()

    def _ended(self, permit: Permit) -> None:
        if self._limit.ended(permit):
            _log.info("%s serves them well: %d requests at once are tried", self._where, self.learned)
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and not self._limit.full:
            _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(self._limit.take())
