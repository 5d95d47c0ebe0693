"""Completions from any OpenAI-compatible server, over `/v1/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

from weaver_sdk.backends.base import Api, Chunk, CompletionRequest
from weaver_sdk.backends.chat_template import ChatTemplate, ask_chat_template
from weaver_sdk.backends.payload import read_chunk, request_body
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.backends.tokens import TokenCache


class CompletionsBackend(ServerBackend):
    """Streams completions from one model on one server.

    ```python
    backend = CompletionsBackend("my-model", "http://127.0.0.1:8000/v1")
    ```

    Give the server by `base_url` (with `api_key`, and an `http_client` of your own if you like), or by an
    `openai.AsyncOpenAI` as `client`. What you give is never closed here.

    Args:
        model: its name on the server; if not given, the one model that it serves.
        capabilities: what the server supports; if not given, `discover` finds it out.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: completions at once, or whole `Limits`; further ones wait in FIFO order.

    Raises:
        ConfigurationError: the arguments contradict each other, or cannot be used.
    """

    api: ClassVar[Api] = "completions"

    async def chat_template(self) -> ChatTemplate | None:
        """Ask the server for its chat template, once for all prompts; call the result with messages.

        Returns:
            The template, or `None` if the server does not expose it.

        Raises:
            ConnectionFailed: no server at the address.
        """
        return await ask_chat_template(self._transport, self.model, self.capabilities.server)

    def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        if request.spans is not None:
            return self._attempt_with_tokens(request)
        return self._send(request)

    async def _attempt_with_tokens(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        if self._token_cache is None:
            self._token_cache = TokenCache(self.tokens)
        async with aclosing(self._send(request, await self._token_cache.of(request))) as chunks:
            async for chunk in chunks:
                yield chunk

    def _send(
        self, request: CompletionRequest, tokens: list[int] | None = None
    ) -> AsyncGenerator[Chunk, None]:
        body = request_body(request, self.model, self.capabilities, tokens)
        return self._post("/completions", body, request, read_chunk)
