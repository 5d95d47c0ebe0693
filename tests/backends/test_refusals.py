"""A request field that a server refuses is left out from then on; a request that is wrong stays wrong."""

import json
import logging

import pytest

from tests.backends.chatting import asking_in_chat, backend_for, chat_once, chat_server, knowing
from tests.backends.collecting import WORDS, ask_once, asking, collect, server
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.backends.refusals import refused_field
from weaver_sdk.errors import APIStatusError
from weaver_sdk.options import Sampling
from weaver_sdk.testing import Behaviour, Received


async def test_a_refused_field_is_left_out_and_remembered(caplog: pytest.LogCaptureFixture) -> None:
    async with chat_server(refuses=("stop",)) as asked:
        backend = backend_for(asked)
        with caplog.at_level(logging.WARNING, "weaver_sdk"):
            for _ in range(3):
                assert (await collect(backend, asking_in_chat(stop=("</Thread>",)))).text == " " + WORDS
        await backend.aclose()
    assert ["stop" in request.body for request in asked.completions] == [True, False, False, False]
    assert [record.message for record in caplog.records] == [
        "the server refuses the request field 'stop': it is left out from now on"
    ]


async def test_several_refused_fields_are_found_one_after_the_other() -> None:
    request = asking_in_chat(stop=("a",), sampling=Sampling(temperature=0.0, seed=1))
    async with chat_server(refuses=("temperature", "stop", "stream_options")) as asked:
        assert (await chat_once(asked, request)).text == " " + WORDS
    assert len(asked.completions) == 4
    assert asked.completions[-1].body["seed"] == 1


async def test_a_limit_is_not_left_out_but_sent_under_its_other_name() -> None:
    for refused, taken in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
        known = knowing("ask", field_names={"max_tokens": refused})
        async with chat_server(refuses=(refused,)) as asked:
            backend = backend_for(asked, known)
            for _ in range(2):
                assert (await collect(backend, asking_in_chat(max_tokens=2))).finish == ["length"]
            await backend.aclose()
        assert [request.body.get(taken) for request in asked.completions] == [None, 2, 2]


async def test_a_server_that_refuses_both_names_of_a_limit_is_not_asked_for_ever() -> None:
    async with chat_server(refuses=("max_tokens", "max_completion_tokens")) as asked:
        error = (await chat_once(asked, asking_in_chat(max_tokens=2))).error
    assert isinstance(error, APIStatusError)
    assert len(asked.completions) == 3


async def test_what_is_known_to_be_refused_is_never_sent() -> None:
    known = knowing("ask", refused_fields=frozenset({"stop"}), field_names={"seed": "random_seed"})
    async with chat_server(refuses=("stop", "seed")) as asked:
        request = asking_in_chat(stop=("a",), sampling=Sampling(seed=5))
        assert (await chat_once(asked, request, known)).error is None
    assert [request.body["random_seed"] for request in asked.completions] == [5]


async def test_a_renamed_field_that_is_refused_is_left_out_too() -> None:
    async with chat_server(refuses=("random_seed",)) as asked:
        request = asking_in_chat(sampling=Sampling(seed=5))
        got = await chat_once(asked, request, knowing("ask", field_names={"seed": "random_seed"}))
    assert (got.error, got.text) == (None, " " + WORDS)
    assert "seed" not in asked.completions[-1].body


async def test_without_a_named_field_nothing_is_tried_again() -> None:
    for told in ("the messages are too many", "no such model"):
        async with chat_server(Behaviour(status=400, body=json.dumps({"error": told}))) as asked:
            assert isinstance((await chat_once(asked, asking_in_chat(stop=("a",)))).error, APIStatusError)
        assert len(asked.completions) == 1


async def test_a_field_that_was_not_the_reason_is_sent_again() -> None:
    """The request fails without it too, so nothing was learnt."""

    def behave(received: Received) -> Behaviour | None:
        return (
            Behaviour(status=400, body='{"error": "no \'stop\' today"}')
            if len(asked.completions) < 3
            else None
        )

    asked = chat_server()
    asked._behave = behave
    async with asked:
        backend = backend_for(asked)
        assert (await collect(backend, asking_in_chat(stop=("a",)))).error is not None
        assert (await collect(backend, asking_in_chat(stop=("a",)))).error is None
        await backend.aclose()
    assert ["stop" in request.body for request in asked.completions] == [True, False, True]


async def test_an_unknown_host_of_completions_is_tried_once_without_too() -> None:
    async with server(refuses=("stream_options",)) as asked:
        assert (await ask_once(asked, asking())).text == " " + WORDS
    assert len(asked.completions) == 2
    async with server(refuses=("priority",)) as asked:
        known = Capabilities(extra_fields={"priority": 1})
        assert (await ask_once(asked, asking(), capabilities=known)).text == " " + WORDS


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
        ("Unsupported value: 'temperature' does not support 0.1 with this model.", "temperature"),
        (
            r'[{"error": {"message": "Invalid JSON payload received. Unknown name \"top_k\": Cannot find',
            "top_k",
        ),
        ("{'type': 'extra_forbidden', 'loc': ['body', 'seed'], 'msg': 'Extra inputs are", "seed"),
        ("1 validation error: max_tokens: extra fields not permitted", "max_tokens"),
        ("'max_tokens' is too large: 5000 exceeds the context length", None),
        ("unknown model 'messages'", None),
        ("http://host/v1/stop answered 400: it does not say", None),
        ("the top_kinds are wrong", None),
    ],
)
def test_which_field_an_error_is_about(message: str, field: str | None) -> None:
    sent = dict.fromkeys(("model", "messages", "stop", "temperature", "top_k", "seed", "max_tokens"))
    assert refused_field(message, sent) == field
