"""Completions from any OpenAI-compatible server, over `/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import ClassVar

from weaver_sdk.backends.base import Api, Chunk, CompletionRequest, Prefill
from weaver_sdk.backends.chat_payload import chat_body, read_chat_chunk
from weaver_sdk.backends.continuation import Continuation
from weaver_sdk.backends.server_backend import ServerBackend


class ChatBackend(ServerBackend):
    """Streams completions from one model on one chat server.

    ```python
    backend = ChatBackend("gpt-4.1", "https://api.openai.com/v1", api_key="…")
    ```

    A text is continued by prefill if the server supports it (see `capabilities.prefill`). If it does not, or
    refuses, a further user turn asks the model to continue. If the server repeats the text, the repetition
    is removed. Text in a separate reasoning field becomes `Chunk.reasoning`.

    Arguments and errors: see `CompletionsBackend`.
    """

    api: ClassVar[Api] = "chat"

    _continuation: Continuation | None = None

    def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        def send(way: Prefill) -> AsyncGenerator[Chunk, None]:
            body = chat_body(request, self.model, replace(self.capabilities, prefill=way))
            return self._post("/chat/completions", body, request, read_chat_chunk)

        if self._continuation is None:
            self._continuation = Continuation(self.capabilities.prefill)
        return self._continuation.stream(send, request.prefix)
