"""One completion of a run: its stream read through the scanner, its tokens counted, its limits held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from weaver_sdk.backends.base import Backend, Capabilities, Chunk, CompletionRequest, Retry, Usage
from weaver_sdk.markup import Dialect, Scanner, Tag, Token
from weaver_sdk.runtime.ledger import Ledger
from weaver_sdk.runtime.lines import Piece
from weaver_sdk.runtime.rules import FORK, Rules, TagKey


@dataclass(frozen=True)
class End:
    """How a completion ended, short of an error."""

    by: Literal["tag", "eos", "length", "tokens", "seconds"]
    """`length` is the server's limit; `tokens` and `seconds` are ours."""
    key: TagKey | None = None
    """The tag that ended it, where one did."""
    tag: Tag | None = None
    """The same as the model wrote it; `None` where the server kept it back."""


class Reader:
    """Reads one stream into a piece, counts its tokens, and finds its end."""

    def __init__(
        self,
        piece: Piece,
        rules: Rules,
        *,
        dialect: Dialect,
        capabilities: Capabilities,
        ledger: Ledger,
        allowance: int | None,
        on_text: Callable[[str], None],
        on_reasoning: Callable[[str], None],
        on_retry: Callable[[Retry], None],
        now: Callable[[], float],
    ) -> None:
        self.usage: Usage | None = None
        self.passed: set[TagKey] = set()
        """Tags that were read as text."""
        self._piece = piece
        self._rules = rules
        self._capabilities = capabilities
        self._ledger = ledger
        self._allowance = allowance
        self._on_text = on_text
        self._on_reasoning = on_reasoning
        self._on_retry = on_retry
        self._now = now
        self._scanner = Scanner(dialect)
        self._chunks = 0
        self._ids: list[int] = []
        self._broken = False  # a stream broke and went on: its tokens may be more than its text
        self.prompt_ids: tuple[int, ...] = ()
        """The tokens of the whole input, where the server tells them."""
        self._open_outlines = False
        self._closed = False

    async def read(self, stream: AsyncIterator[Chunk]) -> End:
        """Read until a tag, the end of the stream or a limit. The stream is not closed here.

        Raises:
            BackendError: as the backend raises it; what had arrived is in the piece.
        """
        finish: Chunk | None = None
        async for chunk in stream:
            if chunk.queued:
                if self._piece.first_token is None:
                    self._piece.started = self._now()
                continue
            if chunk.retry is not None:
                self._on_retry(chunk.retry)
                self._broken = self._broken or chunk.retry.resumed
                continue
            self._count(chunk)
            if chunk.finish_reason is not None:
                finish = chunk
            if chunk.reasoning:
                self._piece.reasoning.append(chunk.reasoning)
                self._on_reasoning(chunk.reasoning)
            if chunk.text and (end := self._take(self._scanner.feed(chunk.text))):
                return end
            if finish is None and (end := self._limit()):
                return end
        self._closed = True
        return self._take(self._scanner.close()) or self._finished(finish)

    def ids_of_text(self, end: End, tags: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
        """Return the tokens of the text that was kept, or `None` where they are not known for sure.

        Servers keep a stop string back from the text, and not its tokens from the ids. Where the tag does not
        stand at their end as the tokenizer writes it, one of its tokens may be part of the text as well.

        Args:
            end: how the completion ended.
            tags: the tokens of each tag.
        """
        if self._broken or not self._ids or "".join(self._piece.written).endswith("\ufffd"):
            return None
        if end.by == "length":
            return tuple(self._ids)
        tag = tags.get(self._ended_by(end)) if end.by == "tag" else None
        return tuple(self._ids[: -len(tag)]) if tag and tuple(self._ids[-len(tag) :]) == tag else None

    def _ended_by(self, end: End) -> str:
        if end.tag is not None:
            return end.tag.text
        return next((text for text, key in self._rules.stops.items() if key == end.key), "")

    def keep_held_text(self) -> None:
        """Put text into the piece that was held back as a possible tag, after a stream without an end."""
        if not self._closed:
            self._closed = True
            self._take(self._scanner.close())

    def _take(self, tokens: list[Token]) -> End | None:
        """Add text and passing tags to the piece; return the end at the first tag that ends it."""
        new: list[str] = []
        end = None
        for token in tokens:
            if isinstance(token, Tag):
                key = (token.name, token.closing)
                if key in self._rules.ends:
                    end = End("tag", key, token)
                    self._closed = True  # what stands behind the tag is not ours
                    break
                self.passed.add(key)
                if token.name == "outlines":
                    self._open_outlines = not token.closing
            new.append(token.text)
        if text := "".join(new):
            self._piece.written.append(text)
            self._on_text(text)
        return end

    def _finished(self, finish: Chunk | None) -> End:
        """Tell how a whole stream ended; the one place that knows what "stop" means."""
        if finish is not None and finish.finish_reason == "length":
            counted = self._piece.tokens_from != "chunks"  # a chunk may hold several tokens
            ours = self._allowance is not None and (not counted or self._piece.tokens >= self._allowance)
            return End("tokens" if ours else "length")
        if finish is not None and finish.matched_stop is not None:
            key = self._rules.stops.get(finish.matched_stop)
            return End("tag", key) if key else End("eos")
        if (
            finish is not None
            and finish.finish_reason == "stop"
            and not self._capabilities.reports_matched_stop
        ):
            if self._open_outlines and FORK in self._rules.ends:
                return End("tag", FORK)
            if self._rules.silent_stop is not None:
                return End("tag", self._rules.silent_stop)
        return End("eos")

    def _limit(self) -> End | None:
        reached = self._allowance is not None and self._piece.tokens >= self._allowance
        return End("tokens") if reached or self._ledger.exhausted() else None

    def _count(self, chunk: Chunk) -> None:
        """Count tokens by the best source there is, over all attempts: usage, else token ids, else chunks."""
        piece = self._piece
        if chunk.text or chunk.reasoning or chunk.token_ids:
            if piece.first_token is None:
                piece.first_token = self._now()
            self._chunks += 1
            self._ids += chunk.token_ids
        self.prompt_ids = chunk.prompt_ids or self.prompt_ids
        if chunk.usage is not None:
            self.usage = chunk.usage
            piece.prompt_tokens = chunk.usage.prompt_tokens
            piece.cached_prompt_tokens = chunk.usage.cached_prompt_tokens
        if chunk.usage is not None and chunk.usage.completion_tokens is not None:
            count, piece.tokens_from = chunk.usage.completion_tokens, "usage"
        elif self._ids:
            count, piece.tokens_from = len(self._ids), "token_ids"
        else:
            count, piece.tokens_from = self._chunks, "chunks"
        self._ledger.spend(count - piece.tokens)
        piece.tokens = count


async def prefill(backend: Backend, request: CompletionRequest) -> Usage | None:
    """Let the server compute a request's text, and return what it counted.

    Raises:
        BackendError: as the backend raises it.
    """
    usage: Usage | None = None
    stream = backend.stream(request)
    try:
        async for chunk in stream:
            usage = chunk.usage or usage
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()
    return usage


async def decode(
    backend: Backend,
    request: CompletionRequest,
    reader: Reader,
    *,
    places: asyncio.Semaphore,
    deadline: float | None,
    on_sent: Callable[[], None],
) -> End:
    """Wait for a free place, stream one completion into the reader, close it once enough was read.

    `deadline` is on the event loop's clock, in seconds; `on_sent` is called when the request goes out.

    Raises:
        BackendError: as the backend raises it.
    """
    scope = asyncio.timeout_at(deadline)
    try:
        async with scope, places:
            on_sent()
            stream = backend.stream(request)
            try:
                return await reader.read(stream)
            finally:
                if (close := getattr(stream, "aclose", None)) is not None:
                    await close()
    except TimeoutError:
        if not scope.expired():
            raise
        return End("seconds")
    finally:
        reader.keep_held_text()
