"""The contract between a reasoner and a server that is started for it."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, runtime_checkable

from weaver_sdk.backends.base import Backend
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.options import Limits, RetryPolicy


class Engine(Protocol):
    """A server that is started for a reasoner and stopped with it. Write one to bring a server of your own.

    For an OpenAI-compatible server, this `backend` is enough:

    ```python
    def backend(self, **options):
        return CompletionsBackend(self.model_name, self.base_url, **options)
    ```
    """

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

    def backend(
        self, *, retries: int | RetryPolicy, timeouts: Timeouts | None, max_concurrency: int | Limits
    ) -> Backend:
        """Return a backend for the running server. Called after `__aenter__`; the caller closes it.

        Args:
            retries: further attempts after a failed one, or a whole `RetryPolicy`.
            timeouts: limits on waiting, in seconds.
            max_concurrency: completions at once, or whole `Limits`.
        """
        ...


@runtime_checkable
class NamesItself(Protocol):
    """An engine whose measures can be kept from one start to the next."""

    @property
    def identity(self) -> str:
        """Its kind, model and settings: equal for two engines that are equally fast. No port and no key."""
        ...


@runtime_checkable
class SupportsRange(Protocol):
    """An engine that knows what its model can answer."""

    @property
    def model_name(self) -> str:
        """The model's name."""
        ...

    def outside_range(self, question: str) -> str | None:
        """Return why the model cannot answer a question, in words; `None` if it can, or nothing is known."""
        ...
