"""Join warming: threads that have ended are computed where they will stand, while a later one still runs.

A server's prefix cache holds the first thread of a block at its place behind the join, for that is where it
was decoded. The others were decoded behind a seed of their own, so whoever goes on behind the join has to
compute them again. What of that can be done while a later thread still runs costs the run no time.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from weaver_sdk.backends.base import Backend, CompletionRequest
from weaver_sdk.errors import BackendError
from weaver_sdk.runtime.completion import prefill
from weaver_sdk.runtime.lines import Block, Line, Spans, text_of
from weaver_sdk.runtime.plan import Plan
from weaver_sdk.runtime.recorder import Recorder

_log = logging.getLogger("weaver_sdk")

WORTH_WARMING = 128
"""Characters of joined threads that nobody has computed yet, from which on a request is worth its cost."""


class JoinWarmer:
    """Warms the join of one block; what is still under way when the block is left is closed.

    Args:
        block: whose threads run.
        plan: of the run; it says whether joins are to be warmed at all.
        context: what the block stands behind.
        backend: whose cache is to be filled.
        places: of which one has to be free. None is taken: completions go before.
        recorder: where the requests are counted.
    """

    def __init__(
        self,
        block: Block,
        plan: Plan,
        context: Spans,
        backend: Backend,
        places: asyncio.Semaphore,
        recorder: Recorder,
    ) -> None:
        self._block = block
        self._plan = plan
        self._context = context
        self._backend = backend
        self._places = places
        self._recorder = recorder
        self._ended: set[int] = set()
        self._something_ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._plan.warm_joins and len(self._block.lines) > 2:  # of two, the first is in the cache
            self._work = asyncio.create_task(self._keep_warm())
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

    async def _keep_warm(self) -> None:
        known = 1  # threads that the cache holds at their place: the first was decoded there
        while True:
            await self._something_ended.wait()
            self._something_ended.clear()
            leading = self._leading()
            if leading == len(self._block.lines):
                return  # the join itself is about to be sent
            fresh = self._block.lines[known:leading]
            characters = sum(len(line.text(self._plan.dialect)) for line in fresh)
            if characters >= WORTH_WARMING and not self._places.locked() and await self._compute(leading):
                known = leading

    def _leading(self) -> int:
        """Return how many threads from the first one on have ended."""
        running = (at for at, line in enumerate(self._block.lines) if id(line) not in self._ended)
        return next(running, len(self._block.lines))

    async def _compute(self, leading: int) -> bool:
        """Let the server compute the join as far as so many threads; return whether it did."""
        plan = self._plan
        spans = (*self._context, *self._block.spans(plan.dialect, leading))
        request = CompletionRequest(
            prompt=plan.prompt,
            prefix=text_of(spans),
            spans=spans if plan.prefix == "tokens" else None,
            max_tokens=1,
            prefill_only=True,
            sampling=plan.sampling,
            routing_key=plan.key_for_routers,
            where=f"run {plan.run_id}, ahead of the join of fork {self._block.fork}",
        )
        self._recorder.warming()
        try:
            self._recorder.warmed(await prefill(self._backend, request))
        except BackendError as error:
            _log.info("a join is not warm: %s", error)  # it computes the text itself
            return False
        return True
