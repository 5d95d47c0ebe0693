"""What a server really does is found out, whatever it says of itself."""

import re
from typing import Any

import pytest

from weaver_sdk.backends.base import Prefill
from weaver_sdk.backends.examination import COUNTED, examine
from weaver_sdk.backends.findings import Examination
from weaver_sdk.errors import APIStatusError, ConfigurationError, ConnectionFailed
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer


def counting(prompt: str) -> str | None:
    """Count on behind the last number, or begin to count."""
    numbers = re.search(r"(?:\d+ )*\d+$", prompt)
    last = int(numbers[0].split()[-1]) if numbers else 0
    return "".join(f" {n}" for n in range(last + 1, last + 20)).removeprefix("" if numbers else " ")


def kept_by(owner: str) -> dict[str, object]:
    return {"/v1/models": {"data": [{"id": "m", "owned_by": owner, "max_model_len": 4096}]}}


async def found_at(server: ScriptedServer, **more: Any) -> Examination:
    async with server:
        return await examine(server.base_url, **more)


async def test_a_server_that_can_all() -> None:
    def vllm(received: Received) -> Behaviour:
        again = sum(r.body.get("prompt") == received.body.get("prompt") for r in server.log) > 1
        return Behaviour(token_ids=True, cached_tokens=16 if again else 0)

    routes = kept_by("vllm") | {"/tokenize": {"tokens": [1]}}
    chat = Chat(prefill="continue_final_message", reasoning="Let me count.")
    server = ScriptedServer(counting, behave=vllm, chat=chat, routes=routes, pace=0.001)
    found = await found_at(server, tag="</Thread>", most=4)
    assert (found.server, found.model, found.api, found.context_tokens) == ("vllm", "m", "completions", 4096)
    for endpoint in (found.completions, found.chat):
        assert (endpoint.works, endpoint.stops, endpoint.names_stop) == (True, True, True)
        assert (endpoint.token_ids, endpoint.counts_tokens) == (True, True)
    assert (found.completions.reasoning_apart, found.chat.reasoning_apart) == (False, True)
    assert found.prefill == found.prefill_found == "continue_final_message"
    assert found.special_tags is False  # it was made to write the tag, and it did not show
    assert found.repeated is not None
    assert found.repeated.cached_tokens == 16
    assert found.crowd is not None
    assert (found.crowd.tried, found.crowd.accepted) == (4, 4)
    assert server.most_running == 4


async def test_a_chat_that_knows_no_prefill_and_refuses_stops() -> None:
    server = ScriptedServer(counting, chat=Chat(only=True), refuses=("stop", "return_token_ids"))
    found = await found_at(server, most=2)
    assert (found.api, found.prefill, found.prefill_found) == ("chat", "ask", None)
    assert not found.completions.works
    assert "404" in str(found.completions.error)
    assert (found.chat.stops, found.chat.token_ids) == (False, False)
    assert found.chat.refused_fields == ("return_token_ids", "stop")


@pytest.mark.parametrize("way", ["continue_final_message", "prefix", "last_message"])
async def test_an_unknown_server_is_tried_with_every_way_of_prefill(way: Prefill) -> None:
    found = await found_at(ScriptedServer(counting, chat=Chat(prefill=way, only=True)), most=1)
    assert (found.server, found.prefill, found.prefill_found) == ("unknown", "ask", way)


async def test_the_most_that_are_accepted_at_once() -> None:
    def at_most_three(_: Received) -> Behaviour | None:
        return Behaviour(status=429) if server.running > 3 else None

    server = ScriptedServer(counting, behave=at_most_three, pace=0.002)
    found = await found_at(server, most=8)
    assert found.crowd is not None
    assert (found.crowd.accepted, found.crowd.tried) == (3, 4)


async def test_stops_that_are_kept_back_ignored_or_too_soon_to_tell() -> None:
    found = await found_at(ScriptedServer(counting, behave=lambda _: Behaviour(stops="ignore")), most=1)
    assert (found.completions.stops, found.completions.names_stop) == (False, False)
    found = await found_at(ScriptedServer(lambda _: " word"), most=1)
    assert found.completions.stops is None


async def test_a_server_that_can_nothing() -> None:
    found = await found_at(ScriptedServer(lambda _: None, chat=Chat()))
    assert (found.api, found.repeated, found.crowd, found.prefill_found) == (None, None, None, None)
    assert (await found_at(ScriptedServer(lambda _: "", chat=Chat()))).completions.error == "it wrote nothing"


async def test_what_no_examination_is_made_of() -> None:
    models = {"/v1/models": {"data": [{"id": "a"}, {"id": "b"}]}}
    async with ScriptedServer(counting, routes=models, api_key="right") as server:
        with pytest.raises(ConfigurationError, match=r"--model.*a, b"):
            await examine(server.base_url, "right")
        with pytest.raises(APIStatusError, match="401"):
            await examine(server.base_url, "wrong")
        assert (await examine(server.base_url, "right", "b", most=1)).model == "b"
        address = server.base_url
    with pytest.raises(ConnectionFailed):
        await examine(address)


def test_the_count_is_long_enough_to_be_known_when_it_is_repeated() -> None:
    assert len(COUNTED) >= 16
