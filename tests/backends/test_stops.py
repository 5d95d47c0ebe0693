"""Stop strings: sent as asked, passed on as the server wrote them, named where the server names them."""

import json

import pytest

from tests.backends.collecting import WORDS, Got, ask_once, asking, server
from weaver_sdk.testing import Behaviour

STOP = ("seven",)


async def answered(behaviour: Behaviour) -> Got:
    async with server(behaviour) as asked:
        got = await ask_once(asked, asking(stop=STOP))
        assert asked.completions[0].body["stop"] == ["seven"]
        return got


@pytest.mark.parametrize(
    ("stops", "text", "matched"),
    [
        ("trim", " Six times ", ["seven"]),
        ("keep", " Six times seven", ["seven"]),
        ("ignore", " " + WORDS, []),
    ],
)
async def test_the_text_is_what_the_server_wrote(stops: str, text: str, matched: list[str]) -> None:
    got = await answered(Behaviour(stops=stops))  # type: ignore[arg-type]
    assert (got.error, got.text, got.finish, got.matched) == (None, text, ["stop"], matched)


async def test_a_server_that_names_no_stop() -> None:
    got = await answered(Behaviour(names_stop=False))
    assert (got.text, got.finish, got.matched) == (" Six times ", ["stop"], [])


@pytest.mark.parametrize(
    ("fields", "matched"),
    [
        ({"stop_reason": "seven"}, ["seven"]),
        ({"matched_stop": "seven"}, ["seven"]),
        ({"stop_reason": None, "matched_stop": "seven"}, ["seven"]),
        ({"matched_stop": 151645}, []),
        ({"stop_reason": 128009}, []),
        ({"stop_reason": ""}, []),
        ({}, []),
    ],
)
async def test_each_servers_word_for_the_stop(fields: dict[str, object], matched: list[str]) -> None:
    event = {"choices": [{"text": "a", "finish_reason": "stop", **fields}]}
    got = await answered(Behaviour(body=f"data: {json.dumps(event)}\n\n"))
    assert (got.finish, got.matched) == (["stop"], matched)


async def test_the_stopping_word_of_llama_cpp_stands_beside_the_choices() -> None:
    event = {"choices": [{"text": "a", "finish_reason": "stop"}], "stopping_word": "seven"}
    got = await answered(Behaviour(body=f"data: {json.dumps(event)}\n\n"))
    assert got.matched == ["seven"]


async def test_a_limit() -> None:
    async with server() as asked:
        got = await ask_once(asked, asking(max_tokens=2))
    assert (got.text, got.finish) == (" Six times", ["length"])
