"""Completions from any OpenAI-compatible server, by `/v1/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2

from weaver_sdk.backends.answer import Answer, Timeouts
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest
from weaver_sdk.backends.link import HttpLink, Link, OpenAILink
from weaver_sdk.backends.payload import is_lost, read_chunk, request_body
from weaver_sdk.backends.retry import RetryPolicy, stream_with_retries
from weaver_sdk.backends.server_errors import error_in_answer, parse_object
from weaver_sdk.backends.sse import SSEReader
from weaver_sdk.errors import BackendError, ConfigurationError, ProtocolError, TruncatedStream

if TYPE_CHECKING:
    import openai

_PATH = "/completions"
_PREAMBLE_BYTES = 65_536
_USAGE_SECONDS = 5.0
"""How long to wait for token counts once the text has ended."""


class CompletionsBackend:
    """Streams completions from one model on one server.

    ```python
    backend = CompletionsBackend("my-model", "http://127.0.0.1:8000/v1")
    ```

    Give the server by `base_url` (with `api_key`, and an `http_client` of your own if you like), or by an
    `openai.AsyncOpenAI` as `client`. What you give is never closed here.

    Args:
        capabilities: what the server can do; `probe` finds it out.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: connections that are kept for the next requests.

    Raises:
        ConfigurationError: the arguments contradict each other, or cannot be used.
    """

    def __init__(
        self,
        model: str,
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
        self._capabilities = capabilities or Capabilities()
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
        return f"CompletionsBackend({self._model!r}, {self._link.base_url!r})"

    @property
    def model(self) -> str:
        """The model's name, as the server knows it."""
        return self._model

    @property
    def base_url(self) -> str:
        """The server's address, without credentials."""
        return self._link.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do."""
        return self._capabilities

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            BackendError: the completion could not be had, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy)

    async def aclose(self) -> None:
        """Close the connections, unless they are the user's."""
        await self._link.aclose()

    async def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        answer = await Answer.open(
            self._link,
            _PATH,
            request_body(request, self._model, self._capabilities),
            headers={"x-session-id": request.routing_key} if request.routing_key else None,
            timeouts=self._timeouts,
        )
        async with aclosing(answer):
            async for chunk in _chunks(answer, self._link, self._timeouts):
                yield chunk


def link_to(
    base_url: str | None,
    api_key: str | None,
    *,
    http_client: httpx2.AsyncClient | None,
    client: openai.AsyncOpenAI | None,
    max_concurrency: int,
    connect: float,
) -> Link:
    """Return the way to a server by the arguments that a user gave.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    if client is not None:
        for name, value in (("base_url", base_url), ("api_key", api_key), ("http_client", http_client)):
            if value is not None:
                raise ConfigurationError(f"give client or {name}, not both: an AsyncOpenAI has its own")
        return OpenAILink(client, connect=connect)
    return HttpLink(
        base_url, api_key=api_key, http_client=http_client, max_concurrency=max_concurrency, connect=connect
    )


async def _chunks(answer: Answer, link: Link, timeouts: Timeouts) -> AsyncGenerator[Chunk, None]:
    """Read chunks until the stream is complete: with a finish reason or [DONE], and not without.

    Raises:
        TruncatedStream: it ended without either.
        APIStatusError: the server wrote an error into it.
        ProtocolError: it is no stream of chunks.
    """
    where = link.base_url + _PATH
    reader = SSEReader()
    preamble = b""  # the body as long as no event came: it may be no stream at all
    begun = finished = False
    limit = timeouts.first
    while piece := await _read(answer, limit, finished):
        for event, data in reader.feed(piece):
            begun = True
            if data == b"[DONE]":
                if not finished:
                    yield Chunk(finish_reason="stop")
                await answer.finish()
                return
            chunk = _read_event(event, data, link, where)
            if chunk is None:
                continue
            if chunk.finish_reason is not None:
                if is_lost(chunk.finish_reason):
                    raise TruncatedStream(f"{where} gave the completion up ({chunk.finish_reason})")
                if finished:  # some say it again beside the counts
                    chunk = replace(chunk, finish_reason=None)
                finished = True
            yield chunk
        if begun:
            limit = min(timeouts.idle, _USAGE_SECONDS) if finished else timeouts.idle
        elif len(preamble) < _PREAMBLE_BYTES:
            preamble += piece
    if not finished:
        raise _incomplete(b"" if begun else preamble, link, where)


async def _read(answer: Answer, limit: float, finished: bool) -> bytes:
    try:
        return await answer.read(limit)
    except BackendError:
        if finished:  # nothing of the text is missing, only counts
            return b""
        raise


def _read_event(event: str, data: bytes, link: Link, where: str) -> Chunk | None:
    told = parse_object(data)
    if told is None:
        raise ProtocolError(f"{where} sent an event that is no JSON object: {link.hide(data)[:200]!r}")
    error = error_in_answer(told, where, event, link.hide)
    if error is not None:
        raise error
    return read_chunk(told)


def _incomplete(body: bytes, link: Link, where: str) -> BackendError:
    """Return what a stream without an end stands for: a body that is no stream, or one that was cut."""
    told = parse_object(body)
    error = error_in_answer(told, where, hide=link.hide) if told is not None else None
    if error is not None:
        return error
    if body.lstrip()[:1] in (b"{", b"[", b"<"):
        return ProtocolError(f"{where} answered with no stream of events: {link.hide(body)[:200]!r}")
    return TruncatedStream(f"{where} ended its answer without a finish reason and without [DONE]")
