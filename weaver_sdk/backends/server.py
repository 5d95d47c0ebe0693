"""What every backend for an OpenAI-compatible server has, whichever of its endpoints it asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import httpx2

from weaver_sdk.backends.base import Api, Capabilities, Chunk, CompletionRequest
from weaver_sdk.backends.capabilities import known_host
from weaver_sdk.backends.chunks import stream_chunks
from weaver_sdk.backends.http.choose import transport_to
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.probe import ServerFacts, probe
from weaver_sdk.backends.refusals import Refusals
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.backends.routing import routing_headers
from weaver_sdk.backends.tokens import TokenCache, ask_tokens
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.options import Limits, RetryPolicy

if TYPE_CHECKING:
    import openai


class ServerBackend(ABC):
    """One model on one server. What is asked of it is said by the class for each endpoint.

    Args:
        model: as the server knows it; the one that it serves where not given.
        capabilities: what the server can do; the table knows some hosts, and `discover` finds out the rest.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: completions at once, or whole `Limits`; further ones wait, first come, first served.

    Raises:
        ConfigurationError: the arguments contradict each other, or cannot be used.
    """

    api: ClassVar[Api]
    """The protocol that is spoken."""

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        http_client: httpx2.AsyncClient | None = None,
        client: openai.AsyncOpenAI | None = None,
        capabilities: Capabilities | None = None,
        retries: int | RetryPolicy = 2,
        timeouts: Timeouts | None = None,
        max_concurrency: int | Limits = 64,
    ) -> None:
        self._model = model
        limits = Limits.of(max_concurrency)
        self._policy = RetryPolicy.of(retries)
        self._timeouts = timeouts or Timeouts()
        self._transport = transport_to(
            base_url,
            api_key,
            http_client=http_client,
            client=client,
            max_concurrency=limits.max_concurrency,
            connect=self._timeouts.connect,
        )
        self._limiter = ConcurrencyLimiter(
            limits.max_concurrency, learn=limits.learn, where=self._transport.base_url
        )
        self._capabilities = capabilities or known_host(self._transport.base_url)
        self._refusals: Refusals | None = None
        self._token_cache: TokenCache | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r}, {self.base_url!r})"

    @property
    def model(self) -> str:
        """The model's name, as the server knows it.

        Raises:
            ConfigurationError: none was given, and the server has not been asked yet.
        """
        if self._model is None:
            raise ConfigurationError("no model: give model=, or let `discover` ask the server for its own")
        return self._model

    @property
    def base_url(self) -> str:
        """The server's address, without credentials."""
        return self._transport.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do; what every server can, until it is known better."""
        return replace(self._capabilities or Capabilities(), api=self.api)

    @property
    def refused_fields(self) -> frozenset[str]:
        """Request fields that the server is known to refuse, or has refused until now."""
        return self._refusals.refused if self._refusals else self.capabilities.refused_fields

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """Where requests to the server get their permits."""
        return self._limiter

    def for_model(self, model: str) -> Self:
        """Return a backend for another model of the same server: connections and permits are shared."""
        other = copy(self)
        other._model, other._refusals, other._token_cache = model, None, None
        return other

    async def discover(self) -> ServerFacts:
        """Ask the server what it is, and fill in from its answer what was not given: model and capabilities.

        Where both are known already, by the user's word or by the host's name, nothing is asked.

        Returns:
            What the server says; the `api` among its capabilities is the one to prefer.

        Raises:
            ConfigurationError: no model was given, and the server does not serve exactly one.
            ConnectionFailed: nobody answers at the address.
            APIStatusError: the server refuses the key.
        """
        if self._model is not None and self._capabilities is not None:
            return ServerFacts(capabilities=self._capabilities, models=(self._model,))
        facts = await probe(self._transport)
        if self._model is None:
            if len(facts.models) != 1:
                served = ", ".join(facts.models) or "it does not say which"
                raise ConfigurationError(f"give model=: {self.base_url} serves not one model ({served})")
            self._model = facts.models[0]
        if self._capabilities is None:
            self._capabilities = facts.capabilities
        return facts

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            BackendError: the completion could not be had, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy, self._limiter)

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Ask the server which tokens it makes of a text; `None` where it does not tell.

        Raises:
            ConnectionFailed: nobody answers at the address.
        """
        return await ask_tokens(self._transport, self.model, self.capabilities.server, text)

    async def aclose(self) -> None:
        """Close the connections, unless they are the user's."""
        await self._transport.aclose()

    @abstractmethod
    def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion and try once."""

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        request: CompletionRequest,
        read_chunk: Callable[[Mapping[str, Any]], Chunk | None],
    ) -> AsyncGenerator[Chunk, None]:
        """Send a request without the fields that the server refuses, and read its answer once."""
        if self._refusals is None:
            self._refusals = Refusals(self.capabilities)
        return stream_chunks(
            self._transport,
            path,
            body,
            timeouts=self._timeouts,
            headers=routing_headers(request),
            refusals=self._refusals,
            read_chunk=read_chunk,
        )
