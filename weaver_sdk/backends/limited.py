"""Any backend, under a limit on concurrent completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from weaver_sdk.backends.base import Backend, Capabilities, Chunk, CompletionRequest
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.options import Limits, RetryPolicy

_NO_RETRIES = RetryPolicy(retries=0)


@runtime_checkable
class LimitsItself(Protocol):
    """A backend that takes a permit for each request and marks when it is sent (`Chunk.sent`)."""

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter that gives permits to its requests."""
        ...


class LimitedBackend:
    """Takes a permit for each completion of another backend, and marks when it is sent.

    Args:
        backend: the source of completions. It does its own retries, and is not closed here.
        limiter: gives the permits.
    """

    def __init__(self, backend: Backend, limiter: ConcurrencyLimiter) -> None:
        self._backend = backend
        self._limiter = limiter

    def __repr__(self) -> str:
        return f"LimitedBackend({self._backend!r})"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._backend.model

    @property
    def capabilities(self) -> Capabilities:
        """Those of the other backend."""
        return self._backend.capabilities

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter that gives the permits."""
        return self._limiter

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Wait for a permit and stream one completion.

        Raises:
            BackendError: raised by the other backend.
        """
        return stream_with_retries(self._attempt, request, _NO_RETRIES, self._limiter)

    async def aclose(self) -> None:
        """Do nothing: the other backend belongs to the caller."""

    async def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        stream = self._backend.stream(request)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()


def limited(backend: Backend, limits: Limits) -> Backend:
    """Return a backend within the limits: the same one if it is limited already."""
    if not isinstance(backend, LimitsItself):
        limiter = ConcurrencyLimiter(limits.max_concurrency, learn=limits.learn, where=repr(backend))
        return LimitedBackend(backend, limiter)
    if backend.limiter.bound <= limits.max_concurrency:
        return backend
    # a narrower bound; the 429s are seen by the inner limiter, which learns from them
    return LimitedBackend(backend, ConcurrencyLimiter(limits.max_concurrency, learn=False))
