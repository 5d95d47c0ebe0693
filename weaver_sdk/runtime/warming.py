"""Join warming: threads that have ended are computed where they will stand, while a later one still runs.

A server's prefix cache holds the first thread of a fork at its place in the joined text, for that is where it
was decoded. The others were decoded after a seed of their own, so the request after the join has to
compute them again. What of that can be done while a later thread still runs costs the run no time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from weaver_sdk.backends.base import CompletionRequest, Prompt
from weaver_sdk.errors import BackendError
from weaver_sdk.runtime.config import RunConfig
from weaver_sdk.runtime.lines import Spans, text_of
from weaver_sdk.runtime.reader import prefill
from weaver_sdk.runtime.recorder import Recorder

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope

_log = logging.getLogger("weaver_sdk")

WORTH_WARMING = 128
"""A request is sent from so many characters of joined threads on that are not in the cache yet."""


class JoinWarmer:
    """Warms the join of one fork; what is still under way when the fork is left is closed.

    Args:
        threads: of the fork, in order.
        leading: what the line will hold up to the end of the first so many of them, from its beginning.
        config: of the run. Its backend sends nothing where no permit is free: completions go before.
        prompt: what the line's text goes on from.
        recorder: where the requests are counted.
        where: which join this is, for errors and logs.
    """

    def __init__(
        self,
        threads: Sequence[Scope],
        leading: Callable[[int], Spans],
        config: RunConfig,
        *,
        prompt: Prompt,
        recorder: Recorder,
        where: str,
    ) -> None:
        self._threads = threads
        self._leading_spans = leading
        self._config = config
        self._prompt = prompt
        self._recorder = recorder
        self._where = where
        self._ended: set[int] = set()
        self._something_ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if len(self._threads) > 2:  # of two, the first is in the cache
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

    def ended(self, thread: Scope) -> None:
        """Note that a thread has come to its end, whatever that was."""
        self._ended.add(id(thread))
        self._something_ended.set()

    async def _keep_warm(self) -> None:
        known = 1  # threads that the cache holds at their place: the first was decoded there
        while True:
            await self._something_ended.wait()
            self._something_ended.clear()
            leading = self._leading()
            if leading == len(self._threads):
                return  # the join itself is about to be sent
            characters = sum(len(thread.text) for thread in self._threads[known:leading])
            if characters >= WORTH_WARMING and await self._compute(leading):
                known = leading

    def _leading(self) -> int:
        """Return how many threads from the first one on have ended."""
        running = (at for at, thread in enumerate(self._threads) if id(thread) not in self._ended)
        return next(running, len(self._threads))

    async def _compute(self, leading: int) -> bool:
        """Let the server compute the join as far as so many threads; return whether it did."""
        config, spans = self._config, self._leading_spans(leading)
        request = CompletionRequest(
            prompt=self._prompt,
            prefix=text_of(spans),
            spans=spans if config.prefix == "tokens" else None,
            max_tokens=1,
            prefill_only=True,
            sampling=config.sampling,
            routing_key=config.key_for_routers,
            where=self._where,
        )
        sent = False

        def note_sent() -> None:
            nonlocal sent
            sent = True
            self._recorder.warming()

        try:
            self._recorder.warmed(await prefill(config.models["main"].backend, request, note_sent))
        except BackendError as error:
            _log.info("a join is not warm: %s", error)  # it computes the text itself
            return False
        return sent
