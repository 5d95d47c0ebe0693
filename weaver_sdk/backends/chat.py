"""Completions from any OpenAI-compatible server, by `/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

from weaver_sdk.backends.base import Api, Chunk, CompletionRequest
from weaver_sdk.backends.chat_payload import chat_body, read_chat_chunk
from weaver_sdk.backends.continuation import without_repeats
from weaver_sdk.backends.server import ServerBackend


class ChatBackend(ServerBackend):
    """Streams completions from one model on one chat server.

    ```python
    backend = ChatBackend("gpt-4.1", "https://api.openai.com/v1", api_key="…")
    ```

    A text is continued by prefill where the server knows one, and by asking in a further turn where it does
    not: `capabilities.prefill` says which. What a server repeats of the text is removed. What it sends in a
    field for reasoning becomes `Chunk.reasoning`.

    Arguments and errors are those of `CompletionsBackend`.
    """

    api: ClassVar[Api] = "chat"

    async def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        capabilities = self.capabilities
        body = chat_body(request, self.model, capabilities)
        answer = self._post("/chat/completions", body, request, read_chat_chunk)
        asked = capabilities.prefill == "ask"
        async with aclosing(without_repeats(answer, request.prefix, asked=asked)) as chunks:
            async for chunk in chunks:
                yield chunk
