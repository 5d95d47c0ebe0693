"""A user's clients are used and never closed; a key goes into one header and nowhere else."""

import base64
import logging

import httpx2
import openai
import pytest

from tests.backends.collecting import WORDS, ask_once, asking, collect, policy, server
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.choose import transport_to
from weaver_sdk.backends.http.clients import HttpxTransport, OpenAITransport
from weaver_sdk.backends.http.direct import DirectTransport
from weaver_sdk.errors import APIStatusError, ConfigurationError, ConnectionFailed, ProtocolError, WeaverError
from weaver_sdk.testing import Behaviour

KEY = "sk-a-secret-that-nobody-may-see"


async def test_a_users_http_client_is_used_and_left_open() -> None:
    async with server() as asked, httpx2.AsyncClient(headers={"x-team": "blue"}) as http:
        with_key = CompletionsBackend("m", asked.base_url, KEY, http_client=http)
        got = await collect(with_key)
        await with_key.aclose()
        assert got.text == " " + WORDS
        assert not http.is_closed
        headers = asked.completions[0].headers
        assert headers["x-team"] == "blue"
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["accept-encoding"] == "identity"


async def test_a_users_http_client_may_know_the_address() -> None:
    async with server() as asked, httpx2.AsyncClient(base_url=asked.base_url) as http:
        backend = CompletionsBackend("m", http_client=http)
        assert backend.base_url == asked.base_url
        assert (await collect(backend)).text == " " + WORDS


async def test_a_users_openai_client_is_used_and_left_open() -> None:
    async with server(Behaviour(status=503)) as asked:
        async with openai.AsyncOpenAI(
            base_url=asked.base_url, api_key=KEY, default_headers={"x-team": "blue"}, max_retries=7
        ) as sdk:
            backend = CompletionsBackend("m", client=sdk, retries=policy(0))
            got = await collect(backend)
            assert isinstance(got.error, APIStatusError)
            assert len(asked.completions) == 1  # its own retries do not apply
            got = await collect(backend, asking(routing_key="run 7"))
            await backend.aclose()
            assert got.text == " " + WORDS
            assert not sdk.is_closed()
        headers = asked.completions[1].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-team"] == "blue"
    assert headers["x-session-id"] == "run%207"


async def test_a_key_that_is_fetched_for_each_request() -> None:
    keys = iter(["first", "second"])

    async def next_key() -> str:
        return next(keys)

    async with server() as asked, openai.AsyncOpenAI(base_url=asked.base_url, api_key=next_key) as sdk:
        backend = CompletionsBackend("m", client=sdk)
        await collect(backend)
        await collect(backend)
        assert [r.headers["authorization"] for r in asked.completions] == ["Bearer first", "Bearer second"]


async def test_an_openai_client_without_a_server() -> None:
    async with server() as asked:
        address = asked.base_url
    async with openai.AsyncOpenAI(base_url=address, api_key=KEY) as sdk:
        got = await collect(CompletionsBackend("m", client=sdk, retries=policy(0)))
    assert isinstance(got.error, ConnectionFailed)
    assert address in str(got.error)


async def test_a_wrong_key_says_so() -> None:
    async with server(api_key="right") as asked:
        got = await ask_once(asked, api_key="wrong-key-of-mine", retries=policy(2))
        assert isinstance(got.error, APIStatusError)
        assert (got.error.status, got.error.code) == (401, "invalid_api_key")
        assert "API key" in str(got.error)
        assert "wrong-key-of-mine" not in str(got.error)
        assert len(asked.log) == 1
        assert (await ask_once(asked, api_key="right")).text == " " + WORDS


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(status=401, body=f'{{"error": {{"message": "no such key: {KEY}"}}}}'),
        Behaviour(status=400, body=f"<html>{KEY}</html>"),
        Behaviour(body=f'{{"error": {{"message": "no such key: {KEY}"}}}}'),
        Behaviour(body=f"<html>{KEY}</html>"),
        Behaviour(body=f"data: {KEY}\n\n"),
        Behaviour(body=f'data: {{"error": {{"message": "{KEY}"}}}}\n\n'),
    ],
)
@pytest.mark.parametrize("way", ["direct", "httpx2", "openai"])
async def test_a_key_that_the_server_repeats_is_blotted_out(
    behaviour: Behaviour, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with server(behaviour) as asked, httpx2.AsyncClient() as http:
        if way == "openai":
            sdk = openai.AsyncOpenAI(base_url=asked.base_url, api_key=KEY, http_client=http)
            backend = CompletionsBackend("m", client=sdk, retries=policy(0))
        else:
            own = {"http_client": http} if way == "httpx2" else {}
            backend = CompletionsBackend("m", asked.base_url, KEY, retries=policy(0), **own)
        got = await collect(backend)
        assert got.error is not None
        assert "[key]" in str(got.error)
        for shown in (str(got.error), repr(got.error), repr(backend), repr(backend._transport), caplog.text):
            assert KEY not in shown
        await backend.aclose()


async def test_no_part_of_the_address_that_is_secret_is_shown() -> None:
    async with server() as asked:
        address = asked.base_url.replace("http://", "http://me:hidden@") + "?token=hidden"
        backend = CompletionsBackend("m", address, retries=policy(0))
        got = await collect(backend)
        assert got.text == " " + WORDS
        (received,) = asked.log
        assert received.path == "/v1/completions?token=hidden"
        await backend.aclose()
    got = await collect(CompletionsBackend("m", address, retries=policy(0)))
    assert "hidden" not in str(got.error) + repr(backend) + backend.base_url
    assert received.headers["authorization"] == "Basic " + base64.b64encode(b"me:hidden").decode()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "base_url"),
        ({"base_url": ""}, "http://127.0.0.1:8000/v1"),
        ({"base_url": "localhost:8000/v1"}, "http://127.0.0.1:8000/v1"),
        ({"base_url": "ftp://host/v1"}, "http://127.0.0.1:8000/v1"),
        ({"base_url": "http://[::1/v1"}, "not a valid address"),
        ({"base_url": "http://h/v1", "api_key": "sk-\u2026"}, "api_key"),
        ({"base_url": "http://h/v1", "api_key": "sk-a\nb"}, "api_key"),
        ({"base_url": "http://h/v1", "client": True}, "not both"),
        ({"api_key": "k", "client": True}, "not both"),
        ({"http_client": True, "client": True}, "not both"),
        ({"http_client": True}, "http://127.0.0.1:8000/v1"),
    ],
)
async def test_bad_use_is_told_in_one_line(given: dict[str, object], says: str) -> None:
    async with httpx2.AsyncClient() as http, openai.AsyncOpenAI(base_url="http://h/v1", api_key="k") as sdk:
        for name, value in (("http_client", http), ("client", sdk)):
            if name in given:
                given = given | {name: value}
        with pytest.raises(ConfigurationError, match=says) as raised:
            CompletionsBackend("m", **given)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize("owned", [True, False])
async def test_a_closed_client_is_told(owned: bool) -> None:
    http = httpx2.AsyncClient()
    backend = CompletionsBackend("m", "http://127.0.0.1:9/v1", http_client=None if owned else http)
    await (backend.aclose() if owned else http.aclose())
    with pytest.raises(ConfigurationError, match="closed"):
        await collect(backend)
    await http.aclose()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert isinstance(transport_to(proxy.base_url), DirectTransport)
        link = transport_to("http://models.invalid/v1", KEY)
        assert isinstance(link, HttpxTransport)
        reply = await link.get("/models")
        assert proxy.log[0].path == "http://models.invalid/v1/models"
        await reply.aclose()
        await link.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await link.get("/models")


async def test_a_compressed_answer() -> None:
    packed = Behaviour(body=b"\x1f\x8b", headers={"content-encoding": "gzip"})
    async with server(packed, packed) as asked, httpx2.AsyncClient() as http:
        got = await ask_once(asked)
        assert isinstance(got.error, WeaverError)
        assert "content-encoding" in str(got.error)
        got = await ask_once(asked, http_client=http)
        assert isinstance(got.error, WeaverError)
        await asked.until_idle()


async def test_what_cannot_be_unpacked() -> None:
    packed = Behaviour(body=b"no gzip at all", headers={"content-encoding": "gzip"})
    async with server(packed) as asked, httpx2.AsyncClient() as http:
        got = await ask_once(asked, http_client=http)
    assert isinstance(got.error, ProtocolError)


def test_what_is_shown_of_a_link() -> None:
    sdk = openai.AsyncOpenAI(base_url="http://h:1/v1", api_key=KEY)
    assert repr(OpenAITransport(sdk)) == "OpenAITransport('http://h:1/v1')"
    assert repr(DirectTransport("http://u:p@h:1/v1/", KEY)) == "DirectTransport('http://h:1/v1')"
    assert repr(CompletionsBackend("m", "http://h:1/v1", KEY)) == "CompletionsBackend('m', 'http://h:1/v1')"
