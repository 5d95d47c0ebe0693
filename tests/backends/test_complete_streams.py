"""When a stream is complete, and what is wrong with it where it is not: each case on a real socket."""

import json

import httpx2
import openai
import pytest

from tests.backends.collecting import WORDS, Got, ask_once, asking, collect, policy, server
from weaver_sdk.backends.base import Usage
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.errors import APIStatusError, IdleTimeout, ProtocolError, TruncatedStream
from weaver_sdk.testing import Behaviour

TOKENS = 5


async def answered(behaviour: Behaviour) -> Got:
    async with server(behaviour) as asked:
        return await ask_once(asked)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(done=False),
        Behaviour(finish_reason=None),
        Behaviour(comments=True),
        Behaviour(comments=True, newline="\r\n"),
        Behaviour(newline="\r\n"),
        Behaviour(newline="\r"),
        Behaviour(space=False),
        Behaviour(split=1),
        Behaviour(split=7, newline="\r\n", comments=True),
        Behaviour(usage="every"),
        Behaviour(usage="none"),
        Behaviour(token_ids=True),
        Behaviour(delay=0.01),
    ],
)
async def test_a_complete_stream(behaviour: Behaviour) -> None:
    got = await answered(behaviour)
    assert got.error is None
    assert got.text == " " + WORDS
    assert got.finish == ["stop"]


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(finish_reason=None, done=False),
        Behaviour(finish_reason="", done=False),
        Behaviour(broken_off="ended", after=3),
        Behaviour(broken_off="mid_event", after=3),
        Behaviour(broken_off="dropped", after=3),
        Behaviour(finish_reason="abort"),
        Behaviour(body="", headers={"content-type": "text/event-stream"}),
    ],
)
async def test_a_truncated_stream_keeps_its_text(behaviour: Behaviour) -> None:
    got = await answered(behaviour)
    assert isinstance(got.error, TruncatedStream)
    assert got.finish == []
    if behaviour.body is None:
        assert got.text
        assert (" " + WORDS).startswith(got.text)


async def test_a_character_split_over_chunks_stays_whole() -> None:
    async with server(Behaviour(split=1)) as asked:
        asked.model = lambda prompt: " né 思考 🧵"
        got = await ask_once(asked)
    assert got.text == " né 思考 🧵"


@pytest.mark.parametrize("form", ["error", "error_event", "flat_error"])
async def test_an_error_inside_a_stream(form: str) -> None:
    got = await answered(Behaviour(broken_off=form, after=2))  # type: ignore[arg-type]
    assert isinstance(got.error, APIStatusError)
    assert (got.error.status, got.error.code, got.error.retryable) == (500, "500", True)
    assert "the model crashed" in str(got.error)
    assert got.text == " Six times"


@pytest.mark.parametrize(
    ("error", "status", "code", "retryable"),
    [
        ({"message": "m", "type": "server_error", "code": None}, 200, "server_error", True),
        ({"message": "m", "type": "overloaded_error"}, 200, "overloaded_error", True),
        ({"message": "m", "code": "context_length_exceeded"}, 200, "context_length_exceeded", False),
        ({"message": "m", "code": "429"}, 429, "429", True),
        ({"message": "m", "code": 400}, 400, "400", False),
        ("plain words m", 200, None, False),
    ],
)
async def test_the_kinds_of_error_inside_a_200(
    error: object, status: int, code: str | None, retryable: bool
) -> None:
    got = await answered(Behaviour(body=json.dumps({"error": error})))
    assert isinstance(got.error, APIStatusError)
    assert (got.error.status, got.error.code, got.error.retryable) == (status, code, retryable)
    assert "m" in str(got.error)


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Sign in</body></html>",
        '{"id": "x", "choices": [{"text": "whole"}]}',
        "[1, 2]",
        "data: {broken\n\n",
        "data: 17\n\n",
        'data: {"choices": ["x"]}\n\n',
        'data: {"choices": {"a": 1}}\n\n',
        b"data: \xff\xfe\n\n",
    ],
)
async def test_what_is_no_stream_is_a_protocol_error(body: str | bytes) -> None:
    got = await answered(Behaviour(body=body))
    assert isinstance(got.error, ProtocolError)
    assert got.chunks == []


async def test_an_html_page_longer_than_one_looks_at() -> None:
    got = await answered(Behaviour(body="<html>" + "x" * 200_000))
    assert isinstance(got.error, ProtocolError)
    assert len(str(got.error)) < 400


@pytest.mark.parametrize("usage", ["last", "every"])
async def test_the_last_usage_counts(usage: str) -> None:
    got = await answered(Behaviour(usage=usage, cached_tokens=4))  # type: ignore[arg-type]
    assert got.usage == Usage(prompt_tokens=TOKENS, completion_tokens=TOKENS, cached_prompt_tokens=4)


async def test_token_ids() -> None:
    got = await answered(Behaviour(token_ids=True))
    assert [id for chunk in got.chunks for id in chunk.token_ids] == [1, 2, 3, 4, 5]


async def test_a_finish_reason_said_twice_is_told_once() -> None:
    event = (
        'data: {"choices": [{"text": "a", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}\n\n'
    )
    got = await answered(Behaviour(body=event + event))
    assert (got.error, got.finish) == (None, ["stop"])


async def test_chunks_that_say_nothing_are_left_out() -> None:
    quiet = (
        'data: {"id": "x"}\n\ndata: {"choices": []}\n\ndata: {"choices": [{"text": ""}], "error": null}\n\n'
    )
    got = await answered(Behaviour(body=quiet + "data: [DONE]\n\n"))
    assert (got.error, len(got.chunks), got.finish) == (None, 1, ["stop"])


@pytest.mark.parametrize("after", [1, 3])
async def test_silence_closes_the_connection(after: int) -> None:
    async with server(Behaviour(broken_off="hung", after=after)) as asked:
        got = await ask_once(asked, timeouts=Timeouts(first=5, idle=0.05))
        assert isinstance(got.error, IdleTimeout)
        assert "0.05 s" in str(got.error)
        assert got.text
        await asked.until_idle()


async def test_silence_before_the_answer() -> None:
    async with server(Behaviour(delay=60)) as asked:
        got = await ask_once(asked, timeouts=Timeouts(first=0.05))
        assert isinstance(got.error, IdleTimeout)
        assert "did not begin" in str(got.error)


async def test_silence_behind_the_end_loses_nothing() -> None:
    """A server that names the end, and then neither counts nor closes."""
    end = 'data: {"choices": [{"text": "a", "finish_reason": "stop"}]}\n\n'
    async with server(Behaviour(body=end, headers={"content-length": "1000"})) as asked:
        got = await ask_once(asked, timeouts=Timeouts(idle=0.05))
    assert (got.error, got.text, got.finish) == (None, "a", ["stop"])


async def test_done_without_the_end_of_the_body_is_not_waited_for() -> None:
    async with server(Behaviour(body="data: [DONE]\n\n", headers={"content-length": "1000"})) as asked:
        got = await ask_once(asked, timeouts=Timeouts(idle=5))
    assert (got.error, got.finish) == (None, ["stop"])


@pytest.mark.parametrize("client", ["httpx2", "openai", "openai over httpx2"])
@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (Behaviour(), type(None)),
        (Behaviour(split=3), type(None)),
        (Behaviour(broken_off="ended", after=3), TruncatedStream),
        (Behaviour(broken_off="dropped", after=3), TruncatedStream),
        (Behaviour(broken_off="hung", after=3), IdleTimeout),
        (Behaviour(broken_off="error", after=3), APIStatusError),
        (Behaviour(body="<html>"), ProtocolError),
        (Behaviour(status=500), APIStatusError),
    ],
)
async def test_the_same_holds_over_the_clients_of_users(
    client: str, behaviour: Behaviour, kind: type[Exception]
) -> None:
    async with server(behaviour) as asked, httpx2.AsyncClient() as http:
        idle = 0.1 if kind is IdleTimeout else 10
        given = {"retries": policy(0), "timeouts": Timeouts(idle=idle)}
        if client == "httpx2":
            backend = CompletionsBackend("scripted", asked.base_url, http_client=http, **given)
            got = await collect(backend, asking())
        else:
            own = {"http_client": http} if client == "openai over httpx2" else {}
            async with openai.AsyncOpenAI(base_url=asked.base_url, api_key="k", **own) as sdk:
                got = await collect(CompletionsBackend("scripted", client=sdk, **given), asking())
    assert isinstance(got.error, kind)
    assert len(asked.completions) == 1
    if kind is type(None):
        assert (got.text, got.finish) == (" " + WORDS, ["stop"])
