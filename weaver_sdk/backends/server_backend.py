"""The base class of backends for an OpenAI-compatible server, whichever endpoint they use."""

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
    """One model on one server. The subclass for each endpoint builds the requests.

    Args:
        model: its name on the server; if not given, the one model that it serves.
        capabilities: what the server supports; if not given, from the table of known hosts, or by `discover`.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: completions at once, or whole `Limits`; further ones wait in FIFO order.

    Raises:
        ConfigurationError: the arguments contradict each other, or cannot be used.
    """

    api: ClassVar[Api]
    """The endpoint that the class uses."""

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
        """The model's name on the server.

        Raises:
            ConfigurationError: none was given, and `discover` was not called yet.
        """
        if self._model is None:
            raise ConfigurationError(
                "no model: pass model=…, or call `discover` to ask the server for its own"
            )
        return self._model

    @property
    def base_url(self) -> str:
        """The server's address, without credentials."""
        return self._transport.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the server supports; before `discover`, what every server does."""
        return replace(self._capabilities or Capabilities(), api=self.api)

    @property
    def refused_fields(self) -> frozenset[str]:
        """Request fields that the server is known to refuse, or has refused so far."""
        return self._refusals.refused if self._refusals else self.capabilities.refused_fields

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter that gives permits to requests to the server."""
        return self._limiter

    def for_model(self, model: str) -> Self:
        """Return a backend for another model of the same server: connections and permits are shared."""
        other = copy(self)
        other._model, other._refusals, other._token_cache = model, None, None
        return other

    async def discover(self) -> ServerFacts:
        """Probe the server, and fill in the model and the capabilities if they were not given.

        If both are known already, from the user or by the host, no request is sent.

        Returns:
            What the server reports; `capabilities.api` is the preferred endpoint.

        Raises:
            ConfigurationError: no model was given, and the server does not report exactly one.
            ConnectionFailed: no server at the address.
            APIStatusError: the server refuses the key.
        """
        if self._model is not None and self._capabilities is not None:
            return ServerFacts(capabilities=self._capabilities, models=(self._model,))
        facts = await probe(self._transport)
        if self._model is None:
            if len(facts.models) != 1:
                several = f"serves several models ({', '.join(facts.models)})"
                found = several if facts.models else "does not report its models"
                raise ConfigurationError(f"{self.base_url} {found}: pass model=…")
            self._model = facts.models[0]
        if self._capabilities is None:
            self._capabilities = facts.capabilities
        return facts

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            BackendError: the completion failed, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy, self._limiter)

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Tokenize a text on the server; `None` if it has no endpoint for it.

        Raises:
            ConnectionFailed: no server at the address.
        """
        return await ask_tokens(self._transport, self.model, self.capabilities.server, text)

    async def aclose(self) -> None:
        """Close the connections, unless they are the user's."""
        await self._transport.aclose()

    @abstractmethod
    def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion, without retries."""

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        request: CompletionRequest,
        read_chunk: Callable[[Mapping[str, Any]], Chunk | None],
    ) -> AsyncGenerator[Chunk, None]:
        """Send a request without refused fields, and stream its response, without retries."""
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
