"""Runs of a fixed shape on a real server: given numbers of threads and tokens, whatever the model writes."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from weaver_sdk.backends.base import Backend, Capabilities, Chunk, CompletionRequest, Span, SupportsTokenize
from weaver_sdk.markup import THREADWEAVER, Dialect, Outline
from weaver_sdk.runtime.reader import prefill
from weaver_sdk.strategies.worked import open_block

_LABEL = re.compile(r"(\d+):$")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many tokens each part of a run has."""

    opening: int = 32
    """Tokens before the fork, without the outlines."""
    threads: tuple[int, ...] = (32, 32)
    """Tokens of each thread."""
    answer: int = 32
    """Tokens after the join."""

    @property
    def total(self) -> int:
        """The tokens of all parts."""
        return self.opening + sum(self.threads) + self.answer


class ShapedBackend:
    """Makes any model on any server run in one shape, to time forks and joins and to see what is cached.

    The real model decodes each part, past its end of sequence. This backend writes the outlines and closing
    tags; the model's own tags are disarmed. The server prefills the outlines before the fork, as if the model
    had written them. In sequential mode, the same number of tokens is decoded in one completion.

    Args:
        backend: its server must take `ignore_eos` (vLLM, SGLang, llama.cpp). It is not closed here.
        shape: the shape of every run.
        dialect: the run's dialect.
    """

    def __init__(self, backend: Backend, shape: Shape, dialect: Dialect = THREADWEAVER) -> None:
        self._backend = backend
        self._dialect = dialect
        self._banned: dict[str, int] | None = None
        self.shape = shape
        """The shape of the runs that follow."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self._backend.model

    @property
    def capabilities(self) -> Capabilities:
        """The wrapped backend's, and the matched stop string is always reported."""
        return replace(self._backend.capabilities, reports_matched_stop=True)

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return the tokens of a text; `None` if the server cannot tokenize."""
        return await self._backend.tokens(text) if isinstance(self._backend, SupportsTokenize) else None

    async def aclose(self) -> None:
        """Do nothing: the wrapped backend belongs to the caller."""

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream one part.

        Raises:
            BackendError: raised by the wrapped backend.
        """
        async with aclosing(self._part(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _part(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        dialect, shape = self._dialect, self.shape
        if request.prefill_only:
            return self._decode(request, 1)
        if dialect.thread[1] in request.stop:
            label = _LABEL.search(request.prefix)
            tokens = shape.threads[int(label[1]) - 1] if label else 1
            return self._decode(request, tokens, dialect.thread_end, dialect.thread[1])
        if dialect.outlines[1] not in request.stop:
            return self._decode(request, shape.total)
        if request.prefix:
            return self._decode(request, shape.answer)
        outlines = [Outline(str(n), f"part {n}") for n, _ in enumerate(shape.threads, 1)]
        return self._decode(request, shape.opening, open_block(dialect, outlines), dialect.outlines[1])

    async def _decode(
        self, request: CompletionRequest, tokens: int, suffix: str = "", stop: str | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Decode this many tokens, then send `suffix` and finish as if a stop string had matched."""
        forced = {"ignore_eos": True, "logit_bias": await self._without_tags()}
        sampling = replace(request.sampling, stop=(), extra={**request.sampling.extra, **forced})
        asked = replace(request, stop=(), max_tokens=tokens, sampling=sampling)
        text, last = "", Chunk()
        ids: tuple[int, ...] = ()
        stream = self._backend.stream(asked)
        try:
            async for chunk in stream:
                if "<" in chunk.text:  # it may become a tag
                    harmless = chunk.text.replace("<", "(")
                    chunk = replace(chunk, text=harmless, token_ids=await self.tokens(harmless) or ())
                text, ids = text + chunk.text, ids + chunk.token_ids
                last = replace(last, usage=chunk.usage or last.usage)
                yield replace(chunk, finish_reason=None, matched_stop=None)
        finally:
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()
        if stop is not None:
            if stop == self._dialect.outlines[1]:
                await self._compute(request, Span(text, ids), suffix + stop)
            put = [await self.tokens(part) or () for part in (suffix, stop)]
            yield Chunk(text=suffix, token_ids=put[0] + put[1])
        yield replace(last, finish_reason="stop", matched_stop=stop)

    async def _without_tags(self) -> dict[str, int]:
        """Return a logit bias against tags that are single tokens: the model would fork by itself."""
        if self._banned is None:
            tags = [tag for pair in self._dialect.tags().values() for tag in pair]
            cut = [await self.tokens(tag) or () for tag in tags]
            self._banned = {str(ids[0]): -100 for ids in cut if len(ids) == 1}
        return self._banned

    async def _compute(self, request: CompletionRequest, written: Span, suffix: str) -> None:
        spans = None if request.spans is None else (*request.spans, written, Span(suffix))
        prefix = request.prefix + written.text + suffix
        asked = replace(request, prefix=prefix, spans=spans, stop=(), max_tokens=1, prefill_only=True)
        await prefill(self._backend, asked)
