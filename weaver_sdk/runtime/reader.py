"""Reads the stream of one completion into a segment: its text, its tokens, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from weaver_sdk.backends.base import Backend, Chunk, CompletionRequest, Retry, TokenLogprob, Usage
from weaver_sdk.runtime.completion import End
from weaver_sdk.runtime.ledger import Ledger
from weaver_sdk.runtime.lines import LiveSegment
from weaver_sdk.runtime.watch import Piece, Watch


class Reader:
    """Reads one stream into a segment, counts its tokens, and finds its end."""

    def __init__(
        self,
        segment: LiveSegment,
        watch: Watch,
        *,
        ends_are_named: bool,
        ledger: Ledger,
        allowance: int | None,
        on_text: Callable[[Piece], None],
        on_reasoning: Callable[[str], None],
        on_retry: Callable[[Retry], None],
        now: Callable[[], float],
    ) -> None:
        self.usage: Usage | None = None
        self.allowance = allowance
        """Tokens that may come; `None` for no limit."""
        self.logprobs: list[TokenLogprob] = []
        self.prompt_ids: tuple[int, ...] = ()
        """The tokens of the whole input, where the server reports them."""
        self._segment = segment
        self._watch = watch
        self._ends_are_named = ends_are_named
        self._ledger = ledger
        self._on_text = on_text
        self._on_reasoning = on_reasoning
        self._on_retry = on_retry
        self._now = now
        self._chunks = 0
        self._ids: list[int] = []
        self._broken = False  # a stream broke and went on: its tokens may be more than its text
        self._closed = False
        self.sent = False
        """Whether the request has left, after any wait for a permit."""

    async def read(self, stream: AsyncIterator[Chunk], on_sent: Callable[[], None]) -> End:
        """Read until a stop, the end of the stream or a limit. The stream is not closed here.

        `on_sent` is called when the request leaves for the first time.

        Raises:
            BackendError: as the backend raises it; what had arrived is in the segment.
        """
        finish: Chunk | None = None
        async for chunk in stream:
            if chunk.sent:
                if not self.sent:
                    self.sent = True
                    on_sent()
                elif self._segment.first_token is None:  # no attempt before has brought anything
                    self._segment.started = self._now()
                continue
            if chunk.retry is not None:
                self._on_retry(chunk.retry)
                self._broken = self._broken or chunk.retry.resumed
                continue
            self._count(chunk)
            if chunk.logprobs:
                self.logprobs += chunk.logprobs
            if chunk.finish_reason is not None:
                finish = chunk
            if chunk.reasoning:
                self._segment.reasoning.append(chunk.reasoning)
                self._on_reasoning(chunk.reasoning)
            if chunk.text and (end := self._take(chunk.text)):
                return end
            if finish is None and (end := self._limit()):
                return end
        return self.keep_held_text() or self._finished(finish)

    def ids_of_text(self, end: End, stops: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
        """Return the tokens of the text that was kept, or `None` where they are not known for sure.

        Servers keep a stop string back from the text, and not its tokens from the ids. Where it does not
        stand at their end as the tokenizer writes it, one of its tokens may be part of the text as well.

        Args:
            end: how the completion ended.
            stops: the tokens of each stop string.
        """
        if self._broken or not self._ids or "".join(self._segment.written).endswith("\ufffd"):
            return None
        if end.by == "length":
            return tuple(self._ids)
        stop = stops.get(end.mark.text) if end.mark is not None else None
        return tuple(self._ids[: -len(stop)]) if stop and tuple(self._ids[-len(stop) :]) == stop else None

    def keep_held_text(self) -> End | None:
        """Keep text that was held back as a possible stop; return the end that is found in it, if any."""
        if self._closed:
            return None
        self._closed = True
        for piece in self._watch.close():
            self._on_text(piece)
        return self._end_in_text()

    def _take(self, text: str) -> End | None:
        for piece in self._watch.feed(text):
            self._on_text(piece)
        return self._end_in_text()

    def _end_in_text(self) -> End | None:
        if self._watch.ended is None:
            return None
        self._closed = True  # what follows the stop is not ours
        return End("stop", self._watch.ended)

    def _finished(self, finish: Chunk | None) -> End:
        """Return how a whole stream ended."""
        if finish is not None and finish.finish_reason == "length":
            counted = self._segment.tokens_from != "chunks"  # a chunk may hold several tokens
            ours = self.allowance is not None and (not counted or self._segment.tokens >= self.allowance)
            return End("tokens" if ours else "length")
        if finish is not None and (finish.matched_stop is not None or finish.finish_reason == "stop"):
            mark = self._watch.stopped(finish.matched_stop, sure=self._ends_are_named)
            return End("stop", mark) if mark is not None else End("eos")
        return End("eos")

    def _limit(self) -> End | None:
        reached = self.allowance is not None and self._segment.tokens >= self.allowance
        return End("tokens") if reached or self._ledger.exhausted() else None

    def _count(self, chunk: Chunk) -> None:
        """Count tokens by the best source there is, over all attempts: usage, else token ids, else chunks."""
        segment = self._segment
        if chunk.text or chunk.reasoning or chunk.token_ids:
            if segment.first_token is None:
                segment.first_token = self._now()
            self._chunks += 1
            self._ids += chunk.token_ids
        self.prompt_ids = chunk.prompt_ids or self.prompt_ids
        if chunk.usage is not None:
            self.usage = chunk.usage
            segment.prompt_tokens = chunk.usage.prompt_tokens
            segment.cached_prompt_tokens = chunk.usage.cached_prompt_tokens
        if chunk.usage is not None and chunk.usage.completion_tokens is not None:
            count, segment.tokens_from = chunk.usage.completion_tokens, "usage"
        elif self._ids:
            count, segment.tokens_from = len(self._ids), "token_ids"
        else:
            count, segment.tokens_from = self._chunks, "chunks"
        self._ledger.spend(count - segment.tokens)
        segment.tokens = count


async def prefill(
    backend: Backend, request: CompletionRequest, on_sent: Callable[[], None] | None = None
) -> Usage | None:
    """Let the server compute a request's text, and return what it counted.

    `on_sent` is called when the request leaves for the first time: not at all where no permit is free.

    Raises:
        BackendError: as the backend raises it.
    """
    usage: Usage | None = None
    stream = backend.stream(request)
    try:
        async for chunk in stream:
            usage = chunk.usage or usage
            if chunk.sent and on_sent is not None:
                on_sent()
                on_sent = None
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()
    return usage


async def decode(
    backend: Backend,
    request: CompletionRequest,
    reader: Reader,
    *,
    deadline: float | None,
    on_sent: Callable[[], None],
) -> End:
    """Stream one completion into the reader, and close it once enough was read.

    `deadline` is on the event loop's clock, in seconds; `on_sent` is called when the request leaves,
    after any wait for a permit.

    Raises:
        BackendError: as the backend raises it.
    """
    scope = asyncio.timeout_at(deadline)
    try:
        async with scope:
            stream = backend.stream(request)
            try:
                return await reader.read(stream, on_sent)
            finally:
                if (close := getattr(stream, "aclose", None)) is not None:
                    await close()
    except TimeoutError:
        if not scope.expired():
            raise
        return End("seconds")
    finally:
        reader.keep_held_text()
