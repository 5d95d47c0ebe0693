"""What a server gains from requests at once: four streams' tokens per second, as a multiple of one stream's.

A server that decodes one stream after the other gains nothing (1.0), however many it accepts. One that reads
its weights once for all streams gains up to 4.0. What it is on a server cannot be seen in its name or its
settings, so it is measured: four prompts are prefilled, one stream is decoded alone, then all four at once.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from weaver_sdk.backends.base import Backend, CompletionRequest, Prompt, ServerKind
from weaver_sdk.backends.limited import LimitsItself
from weaver_sdk.errors import ProtocolError
from weaver_sdk.options import Sampling

STREAMS = 4
"""Streams at once: as many as a usual fork has threads."""
TOKENS = 12
"""Tokens of each stream."""
GAINS_FROM = 1.5
"""From which figure on a fork is worth its while on a server.

With a figure g, four equal parts at once take 4/g times as long as one of them alone. Say an answer takes 1
when it is written in one go, and a fork shortens its critical path to 0.45: a plan of 0.15, parts of 0.30.
The fork takes 0.15 + 0.30 * 4/g, which is less than 1 from g = 1.41 on. Each part also has a prompt to
compute, and repeated measures differ by some 10%: so 1.5."""

_FEWEST = 8
"""Tokens below which a stream is too short to be measured."""
_TAKES_IGNORE_EOS: frozenset[ServerKind] = frozenset({"vllm", "sglang", "llama.cpp"})


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """The measure of one server and model."""

    figure: float
    """Tokens per second of the streams at once, all together, as a multiple of one stream's."""
    alone: float
    """Tokens per second of one stream alone, while it was decoded."""
    together: float
    """Tokens per second of all streams at once, while any was decoded."""
    seconds: float
    """What the measure took."""
    measured: datetime
    """When it was measured."""


class TooSlow(Exception):
    """A measure would take longer than its caller can wait."""


def gains(figure: float) -> bool:
    """Return whether a fork is worth its while on a server with this figure."""
    return figure >= GAINS_FROM


def streams_at_once(backend: Backend) -> int:
    """Return how many streams are measured at once: fewer than `STREAMS` if the backend's limit is lower."""
    return min(STREAMS, backend.limiter.bound) if isinstance(backend, LimitsItself) else STREAMS


async def measure(backend: Backend, patience: float = math.inf) -> SideBySide:
    """Measure what a server gains from requests at once. It takes 76 tokens, or 124 where it gains nothing.

    Something else that runs on the machine can slow down a part of the measure. So the single stream is
    decoded twice, and where the four seem to gain too little, they are, too: the faster one counts.

    Args:
        backend: the server, and the model on it.
        patience: seconds that the prompts and the first stream may take; the rest takes several times that.

    Raises:
        TooSlow: they took longer.
        BackendError: a request failed, or the model wrote too little to be measured.
    """
    began, measured = time.monotonic(), datetime.now(UTC)
    requests = [_request(backend, number) for number in range(streams_at_once(backend))]
    # first the prompts alone, so that later they come from the prefix cache
    await _at_once(backend, [replace(request, max_tokens=1) for request in requests])
    alone = _tokens_per_second(await _at_once(backend, requests[:1]))
    if (took := time.monotonic() - began) > patience:
        raise TooSlow(f"the prompts and the first {TOKENS} tokens took {took:.0f} s")
    together = _tokens_per_second(await _at_once(backend, requests))
    alone = max(alone, _tokens_per_second(await _at_once(backend, requests[:1])))
    if not gains(together / alone):
        together = max(together, _tokens_per_second(await _at_once(backend, requests)))
    return SideBySide(
        figure=round(together / alone, 2),
        alone=round(alone, 2),
        together=round(together, 2),
        seconds=round(time.monotonic() - began, 3),
        measured=measured,
    )


@dataclass
class _Stream:
    """How one completion came in."""

    sent: float
    """When the request was sent."""
    arrivals: list[float] = field(default_factory=list)
    """When each chunk with text came."""
    ids: int = 0
    """The token ids that came."""
    reported: int | None = None
    """The tokens that the server counted."""

    @property
    def tokens(self) -> int:
        """All tokens: as the server counts them, else their ids, else a token for each chunk."""
        return self.reported or self.ids or len(self.arrivals)

    @property
    def decoded(self) -> float:
        """The tokens that came in `span`: all but those of the first chunk, which came with the prefill."""
        chunks = len(self.arrivals)
        return self.tokens * (chunks - 1) / chunks if chunks > 1 else self.tokens

    @property
    def span(self) -> tuple[float, float]:
        """From the first chunk to the last; from the request on where all came in one chunk."""
        return (self.arrivals[0] if len(self.arrivals) > 1 else self.sent), self.arrivals[-1]


def _request(backend: Backend, number: int) -> CompletionRequest:
    """Return a count that a model does not end soon; each begins at another number."""
    first = 10 * number + 1
    text = f"Count from {first} to 99: {first}, {first + 1}, {first + 2},"
    able = backend.capabilities
    extra = {"ignore_eos": True} if able.server in _TAKES_IGNORE_EOS else {}
    return CompletionRequest(
        prompt=Prompt(text=text, messages=({"role": "user", "content": text},)),
        sampling=Sampling(temperature=0.0, extra=extra),
        max_tokens=TOKENS,
        where="measuring requests at once",
    )


async def _at_once(backend: Backend, requests: Sequence[CompletionRequest]) -> list[_Stream]:
    """Complete the requests at once; all have ended when the first error is raised."""
    ended = await asyncio.gather(
        *(_complete(backend, request) for request in requests), return_exceptions=True
    )
    if errors := [result for result in ended if isinstance(result, BaseException)]:
        raise errors[0]
    return [result for result in ended if isinstance(result, _Stream)]


async def _complete(backend: Backend, request: CompletionRequest) -> _Stream:
    stream = _Stream(sent=time.monotonic())
    chunks = backend.stream(request)
    try:
        async for chunk in chunks:
            now = time.monotonic()
            if chunk.sent:
                stream.sent = now
            if chunk.text or chunk.reasoning or chunk.token_ids:
                stream.arrivals.append(now)
            stream.ids += len(chunk.token_ids)
            if chunk.usage is not None:
                stream.reported = chunk.usage.completion_tokens or stream.reported
    finally:
        if (close := getattr(chunks, "aclose", None)) is not None:
            await close()
    return stream


def _tokens_per_second(streams: Sequence[_Stream]) -> float:
    """Return the tokens of all streams for each second in which at least one of them was decoded.

    So streams that a server decodes one after the other come out as one stream does, and the time between
    them, in which the next prompt is computed, does not count.

    Raises:
        ProtocolError: a stream is too short to tell, or all of it came at one moment.
    """
    if min(stream.tokens for stream in streams) < _FEWEST or not all(stream.arrivals for stream in streams):
        raise ProtocolError(f"the model wrote fewer than {_FEWEST} tokens, too few to measure its speed")
    seconds = _covered(stream.span for stream in streams)
    if seconds <= 0:
        raise ProtocolError("all tokens arrived at one moment: the speed cannot be measured")
    return sum(stream.decoded for stream in streams) / seconds


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of time that lies in at least one span."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered
