"""A stream of completion chunks: when it is complete, and what is wrong with it where it is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from weaver_sdk.backends.answer import Answer, Timeouts
from weaver_sdk.backends.base import Chunk
from weaver_sdk.backends.payload import is_lost, read_chunk
from weaver_sdk.backends.server_errors import error_in_answer, parse_object
from weaver_sdk.backends.sse import SSEReader
from weaver_sdk.errors import BackendError, ProtocolError, TruncatedStream

_PREAMBLE_BYTES = 65_536
_USAGE_SECONDS = 5.0
"""How long to wait for token counts once the text has ended."""


async def read_chunks(answer: Answer, timeouts: Timeouts) -> AsyncGenerator[Chunk, None]:
    """Read chunks until the stream is complete: with a finish reason or [DONE], and not without.

    Raises:
        TruncatedStream: it ended without either.
        APIStatusError: the server wrote an error into it.
        ProtocolError: it is no stream of chunks.
    """
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
            chunk = _read_event(event, data, answer)
            if chunk is None:
                continue
            if chunk.finish_reason is not None:
                if is_lost(chunk.finish_reason):
                    raise TruncatedStream(f"{answer.where} gave the completion up ({chunk.finish_reason})")
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


async def _read(answer: Answer, limit: float, finished: bool) -> bytes:
    try:
        return await answer.read(limit)
    except BackendError:
        if finished:  # nothing of the text is missing, only counts
            return b""
        raise


def _read_event(event: str, data: bytes, answer: Answer) -> Chunk | None:
    told = parse_object(data)
    if told is None:
        raise ProtocolError(
            f"{answer.where} sent an event that is no JSON object: {answer.hide(data)[:200]!r}"
        )
    error = error_in_answer(told, answer.where, event, answer.hide)
    if error is not None:
        raise error
    return read_chunk(told)


def _incomplete(body: bytes, answer: Answer) -> BackendError:
    """Return what a stream without an end stands for: a body that is no stream, or one that was cut."""
    told = parse_object(body)
    error = error_in_answer(told, answer.where, hide=answer.hide) if told is not None else None
    if error is not None:
        return error
    if body.lstrip()[:1] in (b"{", b"[", b"<"):
        return ProtocolError(f"{answer.where} answered with no stream of events: {answer.hide(body)[:200]!r}")
    return TruncatedStream(f"{answer.where} ended its answer without a finish reason and without [DONE]")
