"""A routing key goes out in headers that routers read, and in a field of the body where a host reads one."""

import asyncio

import pytest

from tests.backends.collecting import asking, collect, server
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.backends.capabilities import HOSTS, KNOWN
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.routing import ROUTING_HEADERS
from weaver_sdk.testing import Chat

READS_A_FIELD = ("api.openai.com", "api.mistral.ai", "api.fireworks.ai")


async def test_a_key_stands_in_every_header_and_in_no_body() -> None:
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url)
        await collect(backend, asking(routing_key="run 7"))
        await backend.aclose()
    [request] = asked.completions
    assert [request.headers[name] for name in ROUTING_HEADERS] == ["run%207", "run%207"]
    assert "run 7" not in request.body.values()


async def test_without_a_key_nothing_is_said() -> None:
    async with server() as asked:
        backend = CompletionsBackend("m", asked.base_url, capabilities=HOSTS["api.fireworks.ai"])
        await collect(backend)
        await backend.aclose()
    [request] = asked.completions
    assert not set(ROUTING_HEADERS) & request.headers.keys()
    assert "prompt_cache_key" not in request.body


@pytest.mark.parametrize("kind", [CompletionsBackend, ChatBackend])
async def test_a_server_that_reads_a_field_is_told_in_it_too(
    kind: type[CompletionsBackend] | type[ChatBackend],
) -> None:
    async with server(chat=Chat()) as asked:
        backend = kind("m", asked.base_url, capabilities=Capabilities(routing_field="session_id"))
        await collect(backend, asking(routing_key="run 7"))
        await backend.aclose()
    [request] = asked.completions
    assert request.body["session_id"] == "run 7"
    assert request.headers["x-session-id"] == "run%207"


async def test_a_router_whose_replica_is_gone_is_told_and_not_just_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\nRequest failed")
        writer.close()
        await writer.wait_closed()

    router = await asyncio.start_server(gone, "127.0.0.1", 0)
    async with router:
        address = f"http://127.0.0.1:{router.sockets[0].getsockname()[1]}/v1"
        backend = CompletionsBackend("m", address)
        assert (await backend.discover()).capabilities.server == "unknown"
        await backend.aclose()
    assert f"could not identify the server at {address}" in caplog.text


def test_only_hosts_that_document_a_field_are_sent_one() -> None:
    fields = {name: host.routing_field for name, host in HOSTS.items() if host.routing_field is not None}
    assert fields == dict.fromkeys(READS_A_FIELD, "prompt_cache_key")
    assert all(server.routing_field is None for server in KNOWN.values())
