"""Completions through the LiteLLM package, for providers without an OpenAI-compatible API.

A LiteLLM *proxy* needs none of this: it is an ordinary chat server, reached by `base_url`.

What the package reports is corrected where possible:

- A finish reason that the provider never sent: the stream counts as truncated.
- Token counts that the provider never sent, but the package estimated: they are dropped.
- A model that repeats itself: not an error. The package's limit is lifted, unless the environment sets one.
- Failures, each in a class of its own and most with status 500: they become this package's typed errors.

Not every wrong finish reason can be detected, so `Capabilities.reliable_finish` is false.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeVar

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, Prefill
from weaver_sdk.backends.capabilities import PROVIDERS
from weaver_sdk.backends.chat_payload import chat_body, read_chat_chunk
from weaver_sdk.backends.continuation import Continuation
from weaver_sdk.backends.http.errors import status_error
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.http.transport import redact_key
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.refusals import Refusals
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.errors import (
    APIStatusError,
    BackendError,
    ConfigurationError,
    ConnectionFailed,
    IdleTimeout,
    TruncatedStream,
)
from weaver_sdk.options import Limits, RetryPolicy

COMPROMISED = frozenset({"1.82.7", "1.82.8", "1.107.0"})
"""Releases that were withdrawn as compromised. They are not imported."""

_BEFORE_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else the import downloads a price list
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000000",
}
_OPENAI_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "stop", "response_format"}) | {
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "top_logprobs",
}
"""Fields that LiteLLM translates for each provider; the others are sent unchanged."""

T = TypeVar("T")


class LiteLLMBackend:
    """Streams completions from any provider that LiteLLM knows. Needs the extra `litellm`.

    ```python
    reasoner = ParallelReasoner(backend=LiteLLMBackend("anthropic/claude-sonnet-4-5"))
    ```

    A chunk costs about 50 times as much CPU time as without the package, so measured times are less exact.

    Args:
        model: the provider and the model, as LiteLLM names them.
        api_key: if not given, from the provider's environment variable.
        base_url: the provider's address, if it is not the default one.
        capabilities: what the provider supports; if not given, looked up by its name.
        retries: further attempts after a failed one, or a whole `RetryPolicy`. LiteLLM's own are off.
        timeouts: limits on waiting, in seconds.
        max_concurrency: completions at once, or whole `Limits`; further ones wait in FIFO order.
        options: further arguments of `litellm.acompletion`, such as `vertex_project`.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        capabilities: Capabilities | None = None,
        retries: int | RetryPolicy = 2,
        timeouts: Timeouts | None = None,
        max_concurrency: int | Limits = 64,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._key = api_key
        self._options = {"api_key": api_key, "api_base": base_url} | dict(options or {})
        known = capabilities or PROVIDERS.get(model.partition("/")[0], Capabilities(server="litellm"))
        self._capabilities = replace(known, api="chat", reliable_finish=False)
        self._refusals = Refusals(self._capabilities)
        self._continuation = Continuation(self._capabilities.prefill)
        limits = Limits.of(max_concurrency)
        self._policy = RetryPolicy.of(retries)
        self._timeouts = timeouts or Timeouts()
        self._limiter = ConcurrencyLimiter(
            limits.max_concurrency, learn=limits.learn, where=f"LiteLLM, {model},"
        )

    def __repr__(self) -> str:
        return f"LiteLLMBackend({self._model!r})"

    @property
    def model(self) -> str:
        """The provider and the model."""
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        """What the provider supports."""
        return self._capabilities

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter that gives permits to requests to the provider."""
        return self._limiter

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            ConfigurationError: LiteLLM is not installed, or is a compromised release.
            BackendError: the completion failed, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy, self._limiter)

    async def aclose(self) -> None:
        """Do nothing: LiteLLM owns its connections, for the whole process."""

    async def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        litellm = await _load()

        def send(prefill: Prefill) -> AsyncGenerator[Chunk, None]:
            return self._chunks(
                litellm, chat_body(request, self._model, replace(self._capabilities, prefill=prefill))
            )

        async with aclosing(self._continuation.stream(send, request.prefix)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _chunks(self, litellm: Any, body: Mapping[str, Any]) -> AsyncGenerator[Chunk, None]:
        async def post(fitting: dict[str, Any]) -> Any:
            # copied: the package may change messages in place, and siblings share them
            known = {name: deepcopy(value) for name, value in fitting.items() if name in _OPENAI_FIELDS}
            extra = {name: value for name, value in fitting.items() if name not in _OPENAI_FIELDS}
            further = {"extra_body": extra} if extra else {}
            opening = litellm.acompletion(**known, **further, **self._options, num_retries=0, max_retries=0)
            return await self._with_timeout(self._timeouts.first, litellm, opening)

        stream = await self._refusals.send(post, body)
        try:
            parts: AsyncIterator[Any] = aiter(stream)
            limit = self._timeouts.first
            while (part := await self._with_timeout(limit, litellm, anext(parts, None))) is not None:
                limit = self._timeouts.idle
                chunk = read_chat_chunk(part.model_dump())
                if chunk is None:
                    continue
                if chunk.finish_reason is not None and getattr(stream, "received_finish_reason", "") is None:
                    raise TruncatedStream(f"LiteLLM, {self._model}: the stream ended without a finish reason")
                if chunk.usage is not None and not _has_provider_usage(stream):
                    chunk = replace(chunk, usage=None)
                yield chunk
        finally:
            await stream.aclose()

    async def _with_timeout(self, seconds: float, litellm: Any, awaitable: Awaitable[T]) -> T:
        """Wait with a timeout.

        Raises:
            BackendError: for LiteLLM's own error.
        """
        try:
            async with asyncio.timeout(seconds):
                return await awaitable
        except TimeoutError as error:
            raise IdleTimeout(f"LiteLLM, {self._model}: nothing arrived for {seconds:g} s") from error
        except litellm.exceptions.openai.OpenAIError as error:  # the base class of all its errors
            raise self._error(litellm, error) from None  # its own text may contain the key

    def _error(self, litellm: Any, error: Exception) -> BackendError:
        where = f"LiteLLM, {self._model},"
        cause = getattr(error, "original_exception", None) or error
        message = redact_key(str(cause).encode(), self._key).decode()
        status = int(getattr(cause, "status_code", None) or 500)
        if isinstance(error, litellm.exceptions.MidStreamFallbackError) and status >= 500:
            return TruncatedStream(f"{where} broke off the stream: {message}")
        if isinstance(cause, litellm.exceptions.Timeout):
            return IdleTimeout(f"{where} timed out: {message}")
        if isinstance(cause, litellm.exceptions.APIConnectionError) or message.endswith("Connection error."):
            return ConnectionFailed(f"{where} could not connect: {message}")
        headers: Mapping[str, str] = getattr(getattr(cause, "response", None), "headers", None) or {}
        found: APIStatusError = status_error(
            status, headers, json.dumps({"error": {"message": message}}).encode(), where
        )
        return found


async def _load() -> Any:
    """Import LiteLLM in a thread, since it takes seconds, and keep it from printing to the terminal."""
    try:
        version = importlib.metadata.version("litellm")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigurationError('LiteLLM is not installed: pip install "weaver-sdk[litellm]"') from None
    if version in COMPROMISED:
        raise ConfigurationError(f"LiteLLM {version} is a compromised release: install another one")
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    litellm: Any = await asyncio.to_thread(importlib.import_module, "litellm")
    litellm.suppress_debug_info = True  # it prints advice to stdout with every error
    return litellm


def _has_provider_usage(stream: Any) -> bool:
    """Return whether token counts came from the provider; without them LiteLLM estimates its own."""
    return any(getattr(seen, "usage", None) is not None for seen in getattr(stream, "chunks", ()))
