"""The one retry layer: free before the first text, and by prefix after it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from tenacity import AsyncRetrying, RetryCallState, wait_exponential

from weaver_sdk.backends.base import Chunk, CompletionRequest, Retry, Span
from weaver_sdk.backends.limiter import ConcurrencyLimiter, Permit
from weaver_sdk.errors import APIStatusError, BackendError
from weaver_sdk.options import RetryPolicy

Attempt = Callable[[CompletionRequest], AsyncGenerator[Chunk, None]]
"""Streams one completion and tries once."""

_exponential = wait_exponential(multiplier=0.5, max=8.0)

LONGEST_WAIT = 120.0
"""Seconds; a server that asks for more is not waited for."""


async def stream_with_retries(
    attempt: Attempt, request: CompletionRequest, policy: RetryPolicy, limiter: ConcurrencyLimiter
) -> AsyncGenerator[Chunk, None]:
    """Stream a completion, and try again where that can help. Each attempt waits for a permit.

    Text that has arrived is kept: the new request goes on behind it, with what is left of `max_tokens`. Not
    so under a grammar or a schema, which would begin anew in the middle of a text. Token counts of all
    attempts are added up in the usage, as far as they are known.

    Args:
        limiter: where requests to the same server get their permits. One that the server refuses for their
            number, while it answers others, uses up no retry. A request that only fills the cache never
            waits for a permit: where there is none, it ends with nothing done.

    Raises:
        BackendError: the last attempt failed too, or it was no use to try again.
    """
    ticket, failures = limiter.ticket(), 0
    progress = _Progress(request)
    state: RetryCallState | None = None
    while True:
        if request.prefill_only and not limiter.has_room:
            yield Chunk(finish_reason="length")
            return
        permit: Permit | None = None
        try:
            async with limiter.permit(ticket) as permit, aclosing(attempt(progress.request)) as chunks:
                yield Chunk(sent=True)
                async for chunk in chunks:
                    permit.accepted = permit.accepted or not (chunk.sent or chunk.retry)
                    yield progress.note(chunk)
            return
        except BackendError as error:
            state = state or RetryCallState(AsyncRetrying(), None, (), {})
            state.set_exception((type(error), error, error.__traceback__))
            held_to_form = request.grammar is not None or request.json_schema is not None
            resumable = not progress.text or not held_to_form
            failures += policy.retries == 0 or permit is None or not permit.crowded
            if not error.retryable or not resumable or failures > policy.retries:
                raise
            delay = _delay(state, error)
            state.prepare_for_next_attempt()
            reason = str(error)
        if not progress.resume():
            yield Chunk(finish_reason="length")  # the limit had been reached when the stream broke
            return
        kept = bool(progress.text)
        yield Chunk(retry=Retry(attempt=state.attempt_number, delay=delay, reason=reason, resumed=kept))
        await policy.sleep(delay)


def _delay(state: RetryCallState, error: BackendError) -> float:
    """Return the seconds to wait: as asked, or 0.5·2ⁿ up to 8; plus a random part, lest all come at once.

    Raises:
        APIStatusError: the server asks for more than anyone would sit through.
    """
    asked = error.retry_after if isinstance(error, APIStatusError) else None
    if asked is None:
        delay = _exponential(state)
        return delay + random.uniform(0, delay / 2)
    if asked > LONGEST_WAIT:
        message = f"{error}; it asks to wait {asked:g} s, and more than {LONGEST_WAIT:g} s is not waited"
        assert isinstance(error, APIStatusError)
        refused = APIStatusError(message, status=error.status, code=error.code, retry_after=asked)
        raise refused from error
    return asked + random.uniform(0, max(1.0, asked / 4))


class _Progress:
    """What has arrived of a completion, over all attempts."""

    def __init__(self, request: CompletionRequest) -> None:
        self._asked = request
        self._parts: list[str] = []
        self._before = 0  # tokens of the attempts that failed
        self._counted = 0  # tokens of this attempt: its ids, or else its chunks
        self._reported: int | None = None  # the same as the server counts them, where it says so as it goes
        self.request = request
        """What is to be asked now."""

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def note(self, chunk: Chunk) -> Chunk:
        """Remember what a chunk brings, and return it with the tokens of earlier attempts counted in."""
        if chunk.text:
            self._parts.append(chunk.text)
        if chunk.text or chunk.reasoning:
            self._counted += len(chunk.token_ids) or 1
        usage = chunk.usage
        if usage is None or usage.completion_tokens is None:
            return chunk
        self._reported = usage.completion_tokens
        if not self._before:
            return chunk
        total = replace(usage, completion_tokens=usage.completion_tokens + self._before)
        return replace(chunk, usage=total)

    def resume(self) -> bool:
        """Make the next request go on behind what has arrived; return whether anything is left to ask."""
        self._before += self._counted if self._reported is None else self._reported
        self._counted, self._reported = 0, None
        asked = self._asked
        left = None if asked.max_tokens is None else asked.max_tokens - self._before
        prefix = asked.prefix + self.text
        # its siblings have gone on: it shares no more than any request does
        shared = None if self._parts else asked.shared
        spans = None if asked.spans is None else (*asked.spans, Span(self.text))
        self.request = replace(asked, prefix=prefix, spans=spans, max_tokens=left, shared=shared)
        return left is None or left > 0
