"""A stream of completion chunks: when it is complete, and what is wrong with it where it is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from weaver_sdk.backends.base import Chunk
from weaver_sdk.backends.http.errors import error_in_answer, parse_object
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.http.sse import SSEReader
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.payload import read_chunk
from weaver_sdk.backends.refusals import Refusals
from weaver_sdk.errors import BackendError, ProtocolError, TruncatedStream

_LOST = frozenset({"abort", "error"})
"""Words for the end of a stream that its server gave up: no end that the model chose."""
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
    """Send one request and read the chunks of its answer, once and without retries.

    The stream is complete with a finish reason or [DONE], and not without. Closing the generator closes the
    connection.

    Args:
        path: below the server's address, or a whole address.
        refusals: which fields the server takes, where that may turn out on the way.
        read_chunk: what an event's JSON object says; `None` for nothing of use.

    Raises:
        TruncatedStream: it ended without either.
        APIStatusError: the server answered with an error, or wrote one into the stream.
        ProtocolError: it is no stream of chunks.
        ConnectionFailed: there was no connection, or it broke.
        IdleTimeout: nothing came for too long.
    """

    def post(fitting: Mapping[str, Any]) -> Awaitable[Response]:
        return Response.open(transport, path, fitting, timeouts=timeouts, headers=headers)

    answer = await (post(body) if refusals is None else refusals.send(post, body))
    async with aclosing(answer):
        reader = SSEReader()
        preamble = b""  # the body as long as no event came: it may be no stream at all
        begun = finished = False
        limit = timeouts.first
        while True:
            try:
                piece = await answer.read(limit)
            except BackendError:
                if finished:  # nothing of the text is missing, only counts
                    return
                raise
            if not piece:
                break
            for event, data in reader.feed(piece):
                begun = True
                if data == b"[DONE]":
                    if not finished:
                        yield Chunk(finish_reason="stop")
                    await answer.finish()
                    return
                chunk = read_chunk(_object(event, data, answer))
                if chunk is None:
                    continue
                if chunk.finish_reason is not None:
                    if chunk.finish_reason in _LOST:
                        raise TruncatedStream(f"{answer.where} gave up the completion: {chunk.finish_reason}")
                    if finished:  # some say it again beside the counts
                        chunk = replace(chunk, finish_reason=None)
                    finished = True
                yield chunk
            if begun:
                limit = min(timeouts.idle, _USAGE_SECONDS) if finished else timeouts.idle
            elif len(preamble) < _PREAMBLE_BYTES:
                preamble += piece
        if not finished:
            raise _incomplete(b"" if begun else preamble, answer)


def _object(event: str, data: bytes, answer: Response) -> dict[str, Any]:
    """Return the JSON object of an event, or raise the error that it stands for."""
    try:
        told = from_json(data)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ProtocolError(f"{answer.where} sent an event that is no JSON: {answer.hide(data)[:200]!r}")
    if "error" in told or event != "message" or told.get("object") == "error":
        error = error_in_answer(told, answer.where, event, answer.hide)
        if error is not None:
            raise error
    return told


def _incomplete(body: bytes, answer: Response) -> BackendError:
    """Return what a stream without an end stands for: a body that is no stream, or one that was cut."""
    told = parse_object(body)
    error = error_in_answer(told, answer.where, hide=answer.hide) if told is not None else None
    if error is not None:
        return error
    if body.lstrip()[:1] in (b"{", b"[", b"<"):
        return ProtocolError(f"{answer.where} answered with no stream of events: {answer.hide(body)[:200]!r}")
    return TruncatedStream(f"{answer.where} ended its answer without a finish reason and without [DONE]")
