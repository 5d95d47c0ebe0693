"""Join warming: threads that have ended are computed where they will stand, while a later one still runs.

A server's prefix cache holds the first thread of a block at its place behind the join, for that is where it
was decoded. The others were decoded behind a seed of their own, so whoever goes on behind the join has to
compute them again. What of that can be done while a later thread still runs costs the run no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from weaver_sdk.backends.base import Span
from weaver_sdk.markup import Dialect
from weaver_sdk.runtime.lines import Block, Line

Prefill = Callable[[Iterable[Span]], Awaitable[bool]]
"""Computes the text of a block so far, and returns whether it could; a failure is none of the run's."""

WORTH_WARMING = 128
"""Characters of joined threads that nobody has computed yet, from which on a request is worth its cost."""


class JoinWarmer:
    """Warms the join of one block; what is still under way when the block is left is closed.

    Args:
        block: whose threads run.
        dialect: how they are joined.
        prefill: computes what has ended; `None` where joins are not to be warmed.
    """

    def __init__(self, block: Block, dialect: Dialect, prefill: Prefill | None) -> None:
        self._block = block
        self._dialect = dialect
        self._prefill = prefill
        self._ended: set[int] = set()
        self._something_ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._prefill is not None and len(self._block.lines) > 2:  # of two, the first is in the cache
            self._work = asyncio.create_task(self._keep_warm(self._prefill))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
            if not self._work.cancelled() and (failed := self._work.exception()) is not None:
                raise failed

    def ended(self, line: Line) -> None:
        """Note that a thread has come to its end, whatever that was."""
        self._ended.add(id(line))
        self._something_ended.set()

    async def _keep_warm(self, prefill: Prefill) -> None:
        known = 1  # threads that the cache holds at their place: the first was decoded there
        while True:
            await self._something_ended.wait()
            self._something_ended.clear()
            leading = self._leading()
            if leading == len(self._block.lines):
                return  # the join itself is about to be sent
            fresh = self._block.lines[known:leading]
            characters = sum(len(line.text(self._dialect)) for line in fresh)
            if characters >= WORTH_WARMING and await prefill(self._block.spans(self._dialect, leading)):
                known = leading

    def _leading(self) -> int:
        """Return how many threads from the first one on have ended."""
        running = (at for at, line in enumerate(self._block.lines) if id(line) not in self._ended)
        return next(running, len(self._block.lines))
