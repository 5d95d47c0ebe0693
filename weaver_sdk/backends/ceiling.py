"""How many requests a server takes at once, learnt from those that it refuses. No clock, no I/O.

Many hosts answer 429 to requests at once. So 429s that come together are one sign, and the ceiling is cut
once for all of them; with completions that went well under it, it grows again.
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
"""Completions that have to go well under a full ceiling before it is lifted by one."""


@dataclass(eq=False)
class Sending:
    """One request on its way."""

    episode: int
    """How often the ceiling had been cut when it was sent."""
    accepted: bool = False
    """Whether the server has begun to answer it."""
    crowded: bool = False
    """Whether it was refused while others were under way: that is no failure of its own."""
    waited: bool = False
    """Whether it had to stand in line before it was sent."""


@dataclass
class Ceiling:
    """The numbers alone: who is under way, and how many may be."""

    limit: int | None = None
    """The most requests at once; `None` until a server refuses one among others."""
    under_way: set[Sending] = field(default_factory=set)
    _episode: int = 0
    _went_well: int = 0
    _proven: int = 0
    """A limit that was full for long enough without a refusal."""

    @property
    def full(self) -> bool:
        """Whether nothing more may be sent now."""
        return self.limit is not None and len(self.under_way) >= self.limit

    def send(self) -> Sending:
        """Note that a request is sent."""
        sending = Sending(self._episode)
        self.under_way.add(sending)
        return sending

    def refused(self, sending: Sending) -> bool:
        """Note that a request was refused for its number; return whether the ceiling was cut.

        It is cut to what went well before the last lift, to what the server is answering at this moment, or
        to half of what was under way: whatever is most. Not so by a request that was sent before the last
        cut, or that was the only one: it tells of a rate, which a ceiling does not mend.
        """
        together = len(self.under_way)
        sending.crowded = together > 1
        self.under_way.discard(sending)
        if not sending.crowded or sending.episode < self._episode:
            return False
        answered = sum(other.accepted for other in self.under_way)
        if together <= self._proven:
            self._proven = 0  # it no longer takes as many
        self.limit = max(1, answered, together // 2, self._proven)
        self._episode += 1
        self._went_well = 0
        return True

    def ended(self, sending: Sending) -> bool:
        """Note that a request ended otherwise; return whether the ceiling was lifted."""
        full = self.full
        self.under_way.discard(sending)
        if self.limit is None or not full or not sending.accepted or sending.episode < self._episode:
            return False
        self._went_well += 1
        if self._went_well < GROWS_AFTER:
            return False
        self._went_well = 0
        self._proven = self.limit
        self.limit += 1
        return True


class Gate:
    """Lets requests through to a server under its ceiling: those first that came first.

    Args:
        where: the server, for the log.
    """

    def __init__(self, where: str = "the server") -> None:
        self.ceiling = Ceiling()
        self._where = where
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, asyncio.Future[Sending]]] = []

    def number(self) -> int:
        """Return a place in line: one for each completion, which it keeps when it is sent again."""
        return next(self._numbers)

    @asynccontextmanager
    async def through(self, number: int) -> AsyncGenerator[Sending, None]:
        """Wait until a request may be sent, and watch how it ends.

        Raises:
            BackendError: as it is raised within; a refusal for the number of requests cuts the ceiling.
        """
        sending = await self._turn(number)
        try:
            yield sending
        except APIStatusError as error:
            if error.status == TOO_MANY:
                self._refused(sending)
            else:
                self._ended(sending)
            raise
        except BaseException:  # among them the GeneratorExit of a reader that has read enough
            self._ended(sending)
            raise
        else:
            self._ended(sending)

    async def _turn(self, number: int) -> Sending:
        if not self.ceiling.full and not self._waiting:
            return self.ceiling.send()
        turn: asyncio.Future[Sending] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (number, turn))
        try:
            sending = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let through in the same moment
                self._ended(turn.result())
            raise
        sending.waited = True
        return sending

    def _refused(self, sending: Sending) -> None:
        together = len(self.ceiling.under_way)
        if self.ceiling.refused(sending):
            _log.info(
                "%s refused one of %d requests at once: %d at most from now on",
                self._where,
                together,
                self.ceiling.limit,
            )
        self._let_through()

    def _ended(self, sending: Sending) -> None:
        if self.ceiling.ended(sending):
            _log.info("%s serves them well: %d requests at once are tried", self._where, self.ceiling.limit)
        self._let_through()

    def _let_through(self) -> None:
        while self._waiting and not self.ceiling.full:
            _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(self.ceiling.send())
