"""A stream of completion chunks: when it is complete, and which error it is if not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from weaver_sdk.backends.base import Chunk
from weaver_sdk.backends.http.errors import error_in_body, parse_object
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.http.sse import SSEReader
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.payload import read_chunk
from weaver_sdk.backends.refusals import Refusals
from weaver_sdk.errors import BackendError, ProtocolError, TruncatedStream

_ABORTED = frozenset({"abort", "error"})
"""Finish reasons of a stream that the server aborted: the model did not end it."""
_PREAMBLE_BYTES = 65_536
_USAGE_SECONDS = 5.0
"""How long to wait for token counts once the text has ended."""


async def stream_chunks(
    transport: Transport,
    path: str,
    body: Mapping[str, Any],
    *,
    timeouts: Timeouts,
    headers: Mapping[str, str] | None = None,
    refusals: Refusals | None = None,
    read_chunk: Callable[[Mapping[str, Any]], Chunk | None] = read_chunk,
) -> AsyncGenerator[Chunk, None]:
    """Send one request and stream the chunks of its response, without retries.

    The stream is complete only with a finish reason or [DONE]. Closing the generator closes the connection.

    Args:
        path: relative to the server's address, or a full URL.
        refusals: which fields the server accepts; learns from its errors.
        read_chunk: parses an event's JSON object; `None` if it holds nothing of use.

    Raises:
        TruncatedStream: the stream ended with neither.
        APIStatusError: the server responded with an error, or sent one within the stream.
        ProtocolError: it is not a stream of chunks.
        ConnectionFailed: the connection failed or broke.
        IdleTimeout: nothing arrived for too long.
    """

    def post(fitting: Mapping[str, Any]) -> Awaitable[Response]:
        return Response.open(transport, path, fitting, timeouts=timeouts, headers=headers)

    response = await (post(body) if refusals is None else refusals.send(post, body))
    async with aclosing(response):
        reader = SSEReader()
        preamble = b""  # the body before the first event: it may not be an event stream
        started = finished = False
        limit = timeouts.first
        while True:
            try:
                piece = await response.read(limit)
            except BackendError:
                if finished:  # the text is complete, only usage is missing
                    return
                raise
            if not piece:
                break
            for event, data in reader.feed(piece):
                started = True
                if data == b"[DONE]":
                    if not finished:
                        yield Chunk(finish_reason="stop")
                    await response.finish()
                    return
                chunk = read_chunk(_object(event, data, response))
                if chunk is None:
                    continue
                if chunk.finish_reason is not None:
                    if chunk.finish_reason in _ABORTED:
                        raise TruncatedStream(
                            f"{response.where} aborted the completion: {chunk.finish_reason}"
                        )
                    if finished:  # some repeat it in the chunk with usage
                        chunk = replace(chunk, finish_reason=None)
                    finished = True
                yield chunk
            if started:
                limit = min(timeouts.idle, _USAGE_SECONDS) if finished else timeouts.idle
            elif len(preamble) < _PREAMBLE_BYTES:
                preamble += piece
        if not finished:
            raise _incomplete(b"" if started else preamble, response)


def _object(event: str, data: bytes, response: Response) -> dict[str, Any]:
    """Return the JSON object of an event, or raise the error that it reports."""
    try:
        parsed = from_json(data)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ProtocolError(
            f"{response.where} sent an event that is not a JSON object: {response.redact(data)[:200]!r}"
        )
    if "error" in parsed or event != "message" or parsed.get("object") == "error":
        error = error_in_body(parsed, response.where, event, response.redact)
        if error is not None:
            raise error
    return parsed


def _incomplete(body: bytes, response: Response) -> BackendError:
    """Return the error of a stream without an end: the body is not an event stream, or it was truncated."""
    parsed = parse_object(body)
    error = error_in_body(parsed, response.where, redact=response.redact) if parsed is not None else None
    if error is not None:
        return error
    if body.lstrip()[:1] in (b"{", b"[", b"<"):
        return ProtocolError(
            f"{response.where} did not respond with an event stream: {response.redact(body)[:200]!r}"
        )
    return TruncatedStream(f"{response.where} ended its response without a finish reason and without [DONE]")
