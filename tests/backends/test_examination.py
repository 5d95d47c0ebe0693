"""What a server really does is found out, whatever it says of itself."""

import re
from typing import Any

import pytest

from weaver_sdk.backends.base import Prefill
from weaver_sdk.doctor.cache_counters import CacheCounters, read_cache_counters
from weaver_sdk.doctor.diagnose import COUNTED, diagnose
from weaver_sdk.doctor.report import Drift, ServerReport
from weaver_sdk.errors import APIStatusError, ConfigurationError, ConnectionFailed
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer


def counting(prompt: str) -> str | None:
    """Count on behind the last number, or begin to count."""
    numbers = re.search(r"(?:\d+ )*\d+$", prompt)
    last = int(numbers[0].split()[-1]) if numbers else 0
    return "".join(f" {n}" for n in range(last + 1, last + 20)).removeprefix("" if numbers else " ")


def kept_by(owner: str) -> dict[str, object]:
    return {"/v1/models": {"data": [{"id": "m", "owned_by": owner, "max_model_len": 4096}]}}


async def found_at(server: ScriptedServer, **more: Any) -> ServerReport:
    async with server:
        return await diagnose(server.base_url, **more)


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
    assert found.side_by_side is not None
    assert found.side_by_side.figure > 0
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
    assert found.side_by_side is None  # it wrote one word


async def test_a_server_that_can_nothing() -> None:
    found = await found_at(ScriptedServer(lambda _: None, chat=Chat()))
    assert (found.api, found.repeated, found.crowd, found.prefill_found) == (None, None, None, None)
    assert found.side_by_side is None
    found = await found_at(ScriptedServer(lambda _: "", chat=Chat()))
    assert found.completions.error == "it generated nothing"


async def test_what_no_examination_is_made_of() -> None:
    models = {"/v1/models": {"data": [{"id": "a"}, {"id": "b"}]}}
    async with ScriptedServer(counting, routes=models, api_key="right") as server:
        with pytest.raises(ConfigurationError, match=r"a, b.*--model"):
            await diagnose(server.base_url, "right")
        with pytest.raises(APIStatusError, match="401"):
            await diagnose(server.base_url, "wrong")
        assert (await diagnose(server.base_url, "right", "b", most=1)).model == "b"
        address = server.base_url
    with pytest.raises(ConnectionFailed):
        await diagnose(address)


def test_the_count_is_long_enough_to_be_known_when_it_is_repeated() -> None:
    assert len(COUNTED) >= 16


METRICS = b"""# HELP vllm:prefix_cache_hits_total Prefix cache hits, in terms of number of cached tokens.
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="m"} %d.0
vllm:prefix_cache_queries_created{engine="0",model_name="m"} 1.7e+09
vllm:prefix_cache_hits_total{engine="0",model_name="m"} %d.0
vllm:external_prefix_cache_hits_total{engine="0",model_name="m"} 7.0
"""


async def test_what_the_cache_did_is_read_from_counters_where_answers_do_not_tell() -> None:
    def metrics(_: object) -> bytes:
        sent = sum(r.path == "/v1/completions" for r in server.log)
        return METRICS % (300 * sent, 32 * sent)

    server = ScriptedServer(counting, routes=kept_by("vllm") | {"/metrics": metrics})
    found = await found_at(server, most=1)
    assert found.repeated is not None
    assert (found.repeated.cached_tokens, found.repeated.told_by) == (32, "counters")


def test_counters_are_summed_over_engines_and_others_are_left_alone() -> None:
    two = METRICS % (300, 64) + (METRICS % (100, 32)).replace(b'engine="0"', b'engine="1"')
    assert read_cache_counters(two) == CacheCounters(asked=400, hit=96)
    assert read_cache_counters(b"llamacpp:prompt_tokens_total 12\n") is None


async def test_drift_is_what_the_tokenizer_makes_other_tokens_of() -> None:
    """The scripted server numbers its tokens from 1; here its tokenizer makes 1, 2, 9 of their text."""
    routes = kept_by("vllm") | {"/tokenize": {"tokens": [1, 2, 9]}}
    server = ScriptedServer(lambda _: "a b c", behave=lambda _: Behaviour(token_ids=True), routes=routes)
    found = await found_at(server, most=1)
    assert found.drift == Drift(written=3, changed=1)
