"""The one retry layer: a plain retry before the first text, and a resumed stream after it."""

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
"""Seconds; if a server asks for more, the request fails."""


async def stream_with_retries(
    attempt: Attempt, request: CompletionRequest, policy: RetryPolicy, limiter: ConcurrencyLimiter
) -> AsyncGenerator[Chunk, None]:
    """Stream a completion, and retry if that can help. Each attempt waits for a permit.

    Text that has arrived is kept: the next request continues after it, with what is left of `max_tokens`.
    Under a grammar or a schema there is no such retry, for it would start anew in the middle of the text.
    The usage adds up the token counts of all attempts, as far as they are known.

    Args:
        limiter: gives permits to the requests to one server. A 429 while other requests are in flight uses
            up no retry. A prefill-only request never waits for a permit: if none is free, it is not sent.

    Raises:
        BackendError: the last attempt failed too, or the error is not retryable.
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
            constrained = request.grammar is not None or request.json_schema is not None
            resumable = not progress.text or not constrained
            failures += policy.retries == 0 or permit is None or not permit.crowded
            if not error.retryable or not resumable or failures > policy.retries:
                raise
            delay = _delay(state, error)
            state.prepare_for_next_attempt()
            reason = str(error)
        if not progress.resume():
            yield Chunk(finish_reason="length")  # max_tokens had been reached when the stream broke
            return
        kept = bool(progress.text)
        yield Chunk(retry=Retry(attempt=state.attempt_number, delay=delay, reason=reason, resumed=kept))
        await policy.sleep(delay)


def _delay(state: RetryCallState, error: BackendError) -> float:
    """Return the seconds to wait: `retry-after`, or 0.5·2ⁿ up to 8; plus jitter.

    Raises:
        APIStatusError: the server asks for more than `LONGEST_WAIT`.
    """
    asked = error.retry_after if isinstance(error, APIStatusError) else None
    if asked is None:
        delay = _exponential(state)
        return delay + random.uniform(0, delay / 2)
    if asked > LONGEST_WAIT:
        message = f"{error}; the server asks to wait {asked:g} s, more than the maximum of {LONGEST_WAIT:g} s"
        assert isinstance(error, APIStatusError)
        refused = APIStatusError(message, status=error.status, code=error.code, retry_after=asked)
        raise refused from error
    return asked + random.uniform(0, max(1.0, asked / 4))


class _Progress:
    """The text and tokens of a completion that have arrived, over all attempts."""

    def __init__(self, request: CompletionRequest) -> None:
        self._original = request
        self._parts: list[str] = []
        self._before = 0  # tokens of the attempts that failed
        self._counted = 0  # tokens of this attempt: its ids, or else its chunks
        self._reported: int | None = (
            None  # the same as reported by the server, if it reports usage within the stream
        )
        self.request = request
        """The next request to send."""

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def note(self, chunk: Chunk) -> Chunk:
        """Record a chunk, and return it with the tokens of earlier attempts added to its usage."""
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
        """Make the next request continue after the text so far; return whether any tokens are left."""
        self._before += self._counted if self._reported is None else self._reported
        self._counted, self._reported = 0, None
        asked = self._original
        left = None if asked.max_tokens is None else asked.max_tokens - self._before
        prefix = asked.prefix + self.text
        # its siblings have gone on: it no longer shares their prefix
        shared = None if self._parts else asked.shared
        spans = None if asked.spans is None else (*asked.spans, Span(self.text))
        self.request = replace(asked, prefix=prefix, spans=spans, max_tokens=left, shared=shared)
        return left is None or left > 0
