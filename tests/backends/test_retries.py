"""The one retry layer: what is tried again, how long is waited, and how a broken text is resumed."""

import asyncio
import email.utils
import time
from collections.abc import AsyncGenerator

import pytest

from tests.backends.collecting import QUESTION, WORDS, ask_once, asking, collect, policy, server
from weaver_sdk.backends.base import Chunk, CompletionRequest, SharedPrefix, Usage
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.errors import retry_after
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.retry import LONGEST_WAIT, stream_with_retries
from weaver_sdk.errors import APIStatusError, ConfigurationError, ConnectionFailed, TruncatedStream
from weaver_sdk.options import RetryPolicy
from weaver_sdk.testing import Behaviour

CUT = Behaviour(broken_off="ended", after=2)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_statuses_that_are_tried_again(status: int) -> None:
    waits: list[float] = []
    async with server(Behaviour(status=500 if status == 529 else status)) as asked:
        got = await ask_once(asked, retries=policy(2, waits))
        assert len(asked.completions) == 2
    assert (got.error, got.text) == (None, " " + WORDS)
    (retry,) = got.retries
    assert (retry.attempt, retry.resumed, retry.delay) == (2, False, waits[0])
    assert 0.5 <= retry.delay <= 0.75
    assert str(500 if status == 529 else status) in retry.reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_statuses_that_are_not(status: int) -> None:
    async with server(Behaviour(status=status)) as asked:
        got = await ask_once(asked, retries=policy(2))
        assert len(asked.completions) == 1
    assert isinstance(got.error, APIStatusError)
    assert got.error.status == status


async def test_the_server_has_the_last_word() -> None:
    async with server(Behaviour(status=500, headers={"x-should-retry": "false"})) as asked:
        assert isinstance((await ask_once(asked, retries=policy(2))).error, APIStatusError)
        assert len(asked.completions) == 1
    async with server(Behaviour(status=400, headers={"x-should-retry": "true"})) as asked:
        assert (await ask_once(asked, retries=policy(2))).error is None


async def test_waits_grow_and_are_never_alike() -> None:
    seen: set[float] = set()
    for _ in range(5):
        waits: list[float] = []
        async with server(*[Behaviour(status=503)] * 8) as asked:
            got = await ask_once(asked, retries=policy(7, waits))
            assert len(asked.completions) == 8
        assert isinstance(got.error, APIStatusError)
        for wait, least in zip(waits, (0.5, 1, 2, 4, 8, 8, 8), strict=True):
            assert least <= wait <= least * 1.5
        seen |= set(waits)
    assert len(seen) == 35


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-5"}, 0),
    ],
)
async def test_what_the_server_asks_is_waited_and_a_little_more(
    headers: dict[str, str], least: float
) -> None:
    waits: list[float] = []
    async with server(Behaviour(status=429, headers=headers)) as asked:
        assert (await ask_once(asked, retries=policy(2, waits))).error is None
    assert least < waits[0] <= least + max(1, least / 4)


def test_a_date_to_come_back_at() -> None:
    now = 1_700_000_000.0
    date = email.utils.formatdate(now + 30, usegmt=True)
    assert retry_after({"retry-after": date}, now) == 30
    assert retry_after({"retry-after": date}, now + 60) == 0
    assert (
        0 < (retry_after({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)}) or 0) <= 30
    )
    assert retry_after({"retry-after": "next week"}) is None
    assert retry_after({}) is None


async def test_nobody_sits_through_more_than_two_minutes() -> None:
    waits: list[float] = []
    async with server(Behaviour(status=429, headers={"retry-after": "600"})) as asked:
        got = await ask_once(asked, retries=policy(2, waits))
    assert waits == []
    assert isinstance(got.error, APIStatusError)
    assert (got.error.status, got.error.retry_after) == (429, 600)
    assert "600 s" in str(got.error)
    assert f"{LONGEST_WAIT:g} s" in str(got.error)


async def test_a_dead_port_is_tried_again_and_then_named() -> None:
    waits: list[float] = []
    async with server() as asked:
        address = asked.base_url
    backend = CompletionsBackend("m", address, retries=policy(2, waits))
    got = await collect(backend)
    assert len(waits) == 2
    assert isinstance(got.error, ConnectionFailed)
    assert address in str(got.error)
    assert "running" in str(got.error)


@pytest.mark.parametrize(
    "broken",
    [CUT, Behaviour(broken_off="dropped", after=2), Behaviour(broken_off="mid_event", after=2),
     Behaviour(broken_off="hung", after=2), Behaviour(broken_off="error", after=2)],
)  # fmt: skip
async def test_a_broken_text_is_resumed_behind_what_has_come(broken: Behaviour) -> None:
    async with server(broken) as asked:
        idle = 0.3 if broken.broken_off == "hung" else 10
        got = await ask_once(
            asked, asking(max_tokens=10), retries=policy(2), timeouts=Timeouts(first=10, idle=idle)
        )
        first, second = asked.completions
    assert (got.error, got.text, got.finish) == (None, " " + WORDS, ["stop"])
    assert [retry.resumed for retry in got.retries] == [True]
    assert second.body["prompt"] == first.body["prompt"] + " Six times"
    assert (first.body["max_tokens"], second.body["max_tokens"]) == (10, 8)
    assert got.usage is not None
    assert got.usage.completion_tokens == 5  # of both together


async def test_it_is_resumed_more_than_once() -> None:
    async with server(CUT, CUT) as asked:
        got = await ask_once(asked, asking(prefix=""), retries=policy(2))
        assert [r.body["prompt"] for r in asked.completions] == [
            QUESTION,
            QUESTION + " Six times",
            QUESTION + " Six times seven is",
        ]
        assert [r.body["max_tokens"] for r in asked.completions] == [None] * 3
    assert got.text == " " + WORDS
    assert got.usage == Usage(prompt_tokens=9, completion_tokens=5)


async def test_with_all_retries_used_the_text_stays_and_the_error_is_raised() -> None:
    async with server(CUT, CUT, CUT) as asked:
        got = await ask_once(asked, retries=policy(2))
    assert isinstance(got.error, TruncatedStream)
    assert got.text == " " + WORDS[:-1] + "."


async def test_a_text_that_had_reached_its_limit_is_not_asked_for_again() -> None:
    async with server(CUT) as asked:
        got = await ask_once(asked, asking(max_tokens=2), retries=policy(2))
        assert len(asked.completions) == 1
    assert (got.text, got.finish, got.retries) == (" Six times", ["length"], [])


@pytest.mark.parametrize("form", [{"grammar": 'root ::= "x"'}, {"json_schema": {"type": "object"}}])
async def test_a_form_cannot_begin_in_the_middle(form: dict[str, object]) -> None:
    async with server(CUT) as asked:
        got = await ask_once(asked, asking(**form), retries=policy(2))
        assert len(asked.completions) == 1
    assert isinstance(got.error, TruncatedStream)
    async with server(Behaviour(status=503)) as asked:
        got = await ask_once(asked, asking(**form), retries=policy(2))
    assert got.error is None


async def test_tokens_are_counted_by_the_best_that_is_known() -> None:
    sent: list[CompletionRequest] = []

    async def attempt(request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        sent.append(request)
        if len(sent) == 1:
            yield Chunk(text="two tokens", token_ids=(7, 8))
            raise TruncatedStream("by ids")
        if len(sent) == 2:
            yield Chunk(text=" and", usage=Usage(completion_tokens=5))
            raise TruncatedStream("by the server's count")
        yield Chunk(text=" an end", usage=Usage(prompt_tokens=3))
        yield Chunk(finish_reason="stop", usage=Usage(prompt_tokens=3, completion_tokens=2))

    shared = SharedPrefix(key="k", width=2, text="Q")
    asked = asking(max_tokens=20, shared=shared)
    stream = stream_with_retries(attempt, asked, policy(2), ConcurrencyLimiter(1))
    chunks = [chunk async for chunk in stream]
    assert [at for at, chunk in enumerate(chunks) if chunk.sent] == [0, 3, 6]  # behind each retry
    assert [request.max_tokens for request in sent] == [20, 18, 13]
    assert [request.shared for request in sent] == [shared, None, None]
    assert sent[2].prefix == "two tokens and"
    assert chunks[-1].usage == Usage(prompt_tokens=3, completion_tokens=9)


async def test_a_wait_can_be_cancelled() -> None:
    async with server(Behaviour(status=503, headers={"retry-after": "60"})) as asked:
        backend = CompletionsBackend("scripted", asked.base_url)
        waiting = asyncio.create_task(collect(backend))
        while not asked.completions:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(asked.completions) == 1
        await backend.aclose()


def test_a_number_of_retries_below_zero() -> None:
    with pytest.raises(ConfigurationError, match="retries=-1"):
        RetryPolicy(retries=-1)
