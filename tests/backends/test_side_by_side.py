"""What a server gains from requests at once, measured on servers that decode in different ways."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock import Clock
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, Usage
from weaver_sdk.backends.limited import LimitedBackend
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.side_by_side import (
    GAINS_FROM,
    STREAMS,
    TOKENS,
    TooSlow,
    _covered,
    gains,
    measure,
)
from weaver_sdk.errors import APIStatusError, BackendError, ProtocolError


@dataclass
class Decoder:
    """A server with slots, on which a step of k streams takes `step(k)` times the step of one."""

    slots: int = 64
    slower: float = 0.0
    """What each further stream adds to a step."""
    prefill: float = 0.5
    """Seconds, for a prompt that is new; one that is known takes none."""
    chunk: int = 1
    """Tokens of a chunk."""
    length: int = 1000
    """After how many tokens a text ends by itself."""
    counted: bool = True
    ids: bool = False
    reasoning: bool = False
    fails_at: int | None = None
    requests: list[CompletionRequest] = field(default_factory=list)
    capabilities: Capabilities = field(default_factory=Capabilities)
    model: str = "m"

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.slots)
        self._decoding = 0
        self._known: set[str] = set()

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        if len(self.requests) == self.fails_at:
            raise APIStatusError("the server is overloaded", status=500)
        limit = min(self.length, request.max_tokens or 0)
        async with self._free:
            yield Chunk(sent=True)
            await asyncio.sleep(0.0 if request.text in self._known else self.prefill)
            self._known.add(request.text)
            self._decoding += 1
            await asyncio.sleep(0)  # all that are ready now are in the first step
            for begin in range(0, limit, self.chunk):
                size = min(self.chunk, limit - begin)
                await asyncio.sleep(0.1 * size * (1 + self.slower * (self._decoding - 1)))
                ids = tuple(range(size)) if self.ids else ()
                text = "1 " * size
                yield Chunk(
                    text="" if self.reasoning else text,
                    reasoning=text if self.reasoning else "",
                    token_ids=ids,
                )
            self._decoding -= 1
        usage = Usage(completion_tokens=limit) if self.counted else None
        yield Chunk(finish_reason="length", usage=usage)

    async def aclose(self) -> None: ...


async def figure_of(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> float:
    Clock().install(monkeypatch)
    return (await measure(decoder)).figure


@pytest.mark.parametrize(
    ("server", "figure"),
    [
        ({"slots": 1}, 1.0),
        ({"slots": 2}, 2.0),
        ({}, 4.0),
        ({"slower": 1 / 3}, 2.0),
        ({"slower": 1.0}, 1.0),
        ({"slower": 2.0}, 0.57),
    ],
    ids=["one slot", "two slots", "free", "half as fast", "no gain", "a loss"],
)
async def test_the_figure_is_the_tokens_of_four_streams_for_those_of_one(
    server: dict[str, Any], figure: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await figure_of(Decoder(**server), monkeypatch) == pytest.approx(figure, rel=0.05)


@pytest.mark.parametrize("prefill", [0.0, 5.0])
@pytest.mark.parametrize("slots", [1, 4])
async def test_prompts_do_not_count(prefill: float, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await figure_of(Decoder(slots=slots, prefill=prefill), monkeypatch) == pytest.approx(
        slots, rel=0.05
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"chunk": 5},
        {"chunk": 5, "counted": False, "ids": True},
        {"chunk": 100},
        {"counted": False},
        {"length": 10},
        {"reasoning": True},
    ],
    ids=["several a chunk", "ids alone", "all in one chunk", "not counted", "ends early", "reasoning"],
)
@pytest.mark.parametrize(("slower", "figure"), [(0.0, 4.0), (1.0, 1.0)])
async def test_how_tokens_are_sent_does_not_change_it(
    changes: dict[str, Any], slower: float, figure: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await figure_of(Decoder(slower=slower, **changes), monkeypatch) == pytest.approx(figure, rel=0.2)


async def test_the_speeds_and_the_time_it_took_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock().install(monkeypatch)
    found = await measure(Decoder(slower=1 / 3))
    assert (found.alone, found.together) == (pytest.approx(10, rel=0.01), pytest.approx(20, rel=0.01))
    assert found.seconds == pytest.approx(0.7 + 4 * TOKENS / 10, rel=0.05)
    assert found.measured.tzinfo is not None


async def test_one_that_would_take_too_long_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock().install(monkeypatch)
    decoder = Decoder()
    with pytest.raises(TooSlow, match="took 2 s"):
        await measure(decoder, patience=1.5)
    assert len(decoder.requests) == STREAMS + 1


async def test_it_asks_four_different_questions_and_few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder()
    await figure_of(decoder, monkeypatch)
    assert len({request.text for request in decoder.requests}) == STREAMS
    assert all(request.prompt.messages for request in decoder.requests)
    assert sum(request.max_tokens or 0 for request in decoder.requests) == 76


@pytest.mark.parametrize(("server", "sent"), [("vllm", True), ("llama.cpp", True), ("openai", False)])
async def test_a_server_that_can_is_told_not_to_end(
    server: str, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(capabilities=Capabilities(server=server))  # type: ignore[arg-type]
    await figure_of(decoder, monkeypatch)
    assert {"ignore_eos" in request.sampling.extra for request in decoder.requests} == {sent}


async def test_a_limit_below_four_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock().install(monkeypatch)
    decoder = Decoder()
    found = await measure(LimitedBackend(decoder, ConcurrencyLimiter(2)))
    assert found.figure == pytest.approx(2.0, rel=0.05)
    assert len({request.text for request in decoder.requests}) == 2


@pytest.mark.parametrize(
    ("stalled", "slower", "figure"),
    [(range(5, 6), 1.0, 1.0), (range(10, 11), 1.0, 1.0), (range(6, 10), 0.0, 4.0), (range(11, 15), 1.0, 1.0)],
    ids=["one", "one, the second time", "four", "four, the second time"],
)
async def test_a_stall_in_a_part_of_the_measure_does_not_count(
    stalled: range, slower: float, figure: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stalling(Decoder):
        async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
            number = len(self.requests) + 1
            async for chunk in super().stream(request):
                yield chunk
                if number in stalled and chunk.text:
                    await asyncio.sleep(1.0)

    assert await figure_of(Stalling(slower=slower), monkeypatch) == pytest.approx(figure, rel=0.1)


@pytest.mark.parametrize("changes", [{"length": 3}, {"length": 0}])
async def test_a_text_that_is_too_short_to_tell_is_an_error(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProtocolError, match="too few"):
        await figure_of(Decoder(**changes), monkeypatch)


async def test_an_error_comes_out_when_the_others_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(fails_at=STREAMS + 3)
    with pytest.raises(BackendError, match="overloaded"):
        await figure_of(decoder, monkeypatch)
    assert decoder._decoding == 0


def test_a_fork_that_halves_the_path_gains_from_the_threshold_on() -> None:
    def fork(figure: float) -> float:
        return 0.15 + 0.30 * 4 / figure

    assert gains(GAINS_FROM)
    assert not gains(GAINS_FROM - 0.01)
    assert fork(GAINS_FROM) < 1 < fork(GAINS_FROM - 0.1)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))))
def test_time_that_lies_in_several_spans_counts_once(spans: list[tuple[int, int]]) -> None:
    seconds = {second for begin, end in spans for second in range(begin, end)}
    assert _covered(spans) == len(seconds)
