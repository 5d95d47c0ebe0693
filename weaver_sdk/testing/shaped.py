"""Runs of a set shape on a real server: so many tokens, so many threads, whatever the model would write."""

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
    """Before the fork, without the outlines."""
    threads: tuple[int, ...] = (32, 32)
    answer: int = 32
    """Behind the join."""

    @property
    def total(self) -> int:
        """The tokens of all parts."""
        return self.opening + sum(self.threads) + self.answer


class ShapedBackend:
    """Makes any model on any server run in one shape, to time forks and joins and to see what is cached.

    Each part is decoded by the real model, and its end of sequence is ignored. Outlines and closing tags are
    put in its mouth, and no others; outlines are computed by the server before the fork, as if it had written
    them. In sequential mode as many tokens are decoded in one go.

    Args:
        backend: whose server takes `ignore_eos` (vLLM, SGLang, llama.cpp). It is not closed here.
        shape: of every run.
        dialect: what the run reads.
    """

    def __init__(self, backend: Backend, shape: Shape, dialect: Dialect = THREADWEAVER) -> None:
        self._backend = backend
        self._dialect = dialect
        self._banned: dict[str, int] | None = None
        self.shape = shape
        """Of the runs to come."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self._backend.model

    @property
    def capabilities(self) -> Capabilities:
        """Those of the other backend; here it is always known what ended a text."""
        return replace(self._backend.capabilities, reports_matched_stop=True)

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return the tokens of a text, where the server tells."""
        return await self._backend.tokens(text) if isinstance(self._backend, SupportsTokenize) else None

    async def aclose(self) -> None:
        """Do nothing: the other backend belongs to the caller."""

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream one part.

        Raises:
            BackendError: as the other backend raises it.
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
        self, request: CompletionRequest, tokens: int, behind: str = "", stop: str | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Decode so many tokens; then write `behind`, and end as if the model had come to a stop string."""
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
                await self._compute(request, Span(text, ids), behind + stop)
            put = [await self.tokens(part) or () for part in (behind, stop)]
            yield Chunk(text=behind, token_ids=put[0] + put[1])
        yield replace(last, finish_reason="stop", matched_stop=stop)

    async def _without_tags(self) -> dict[str, int]:
        """Return a bias against the tags of a model that has them as tokens: it would fork by itself."""
        if self._banned is None:
            tags = [tag for pair in self._dialect.tags().values() for tag in pair]
            cut = [await self.tokens(tag) or () for tag in tags]
            self._banned = {str(ids[0]): -100 for ids in cut if len(ids) == 1}
        return self._banned

    async def _compute(self, request: CompletionRequest, written: Span, behind: str) -> None:
        spans = None if request.spans is None else (*request.spans, written, Span(behind))
        prefix = request.prefix + written.text + behind
        asked = replace(request, prefix=prefix, spans=spans, stop=(), max_tokens=1, prefill_only=True)
        await prefill(self._backend, asked)
