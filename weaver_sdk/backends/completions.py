"""Completions from any OpenAI-compatible server, by `/v1/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx2

from weaver_sdk.backends.answer import Timeouts
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest
from weaver_sdk.backends.chat_template import ToldTemplate, ask_chat_template
from weaver_sdk.backends.chunks import stream_chunks
from weaver_sdk.backends.payload import request_body
from weaver_sdk.backends.probe import ServerFacts, probe
from weaver_sdk.backends.retry import RetryPolicy, stream_with_retries
from weaver_sdk.backends.servers import link_to
from weaver_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import openai


class CompletionsBackend:
    """Streams completions from one model on one server.

    ```python
    backend = CompletionsBackend("my-model", "http://127.0.0.1:8000/v1")
    ```

    Give the server by `base_url` (with `api_key`, and an `http_client` of your own if you like), or by an
    `openai.AsyncOpenAI` as `client`. What you give is never closed here.

    Args:
        model: as the server knows it; the one that it serves where not given.
        capabilities: what the server can do; `discover` finds it out where not given.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: connections that are kept for the next requests.

    Raises:
        ConfigurationError: the arguments contradict each other, or cannot be used.
    """

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
        max_concurrency: int = 64,
    ) -> None:
        self._model = model
        self._capabilities = capabilities
        self._policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
        self._timeouts = timeouts or Timeouts()
        self._link = link_to(
            base_url,
            api_key,
            http_client=http_client,
            client=client,
            max_concurrency=max_concurrency,
            connect=self._timeouts.connect,
        )

    def __repr__(self) -> str:
        return f"CompletionsBackend({self._model!r}, {self.base_url!r})"

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
        return self._link.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do; what every server can, until it is known better."""
        return self._capabilities or Capabilities()

    async def discover(self) -> ServerFacts:
        """Ask the server what it is, and fill in from its answer what was not given: model and capabilities.

        Raises:
            ConfigurationError: no model was given, and the server does not serve exactly one.
            ConnectionFailed: nobody answers at the address.
            APIStatusError: the server refuses the key.
        """
        facts = await probe(self._link)
        if self._model is None:
            if len(facts.models) != 1:
                served = ", ".join(facts.models) or "it does not say which"
                raise ConfigurationError(f"give model=: {self.base_url} serves not one model ({served})")
            self._model = facts.models[0]
        if self._capabilities is None:
            self._capabilities = facts.capabilities
        return facts

    async def chat_template(self) -> ToldTemplate | None:
        """Ask the server how it wraps turns; call the answer with messages, as often as there are prompts.

        Returns:
            The template, or `None` where the server does not tell.

        Raises:
            ConnectionFailed: nobody answers at the address.
        """
        return await ask_chat_template(self._link, self.model, self.capabilities.server)

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            BackendError: the completion could not be had, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy)

    async def aclose(self) -> None:
        """Close the connections, unless they are the user's."""
        await self._link.aclose()

    def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        return stream_chunks(
            self._link,
            "/completions",
            request_body(request, self.model, self.capabilities),
            timeouts=self._timeouts,
            headers={"x-session-id": quote(request.routing_key)} if request.routing_key else None,
        )
