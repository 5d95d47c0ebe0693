"""A request field that a server refuses is left out from then on; a request that is wrong stays wrong."""

import json
import logging
from dataclasses import replace

import pytest

from tests.backends.chatting import asking_in_chat, backend_for, chat_once, chat_server, knowing
from tests.backends.collecting import QUESTION, WORDS, ask_once, asking, collect, model, policy, server
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.refusals import ReportedLimit, refused_field, reported_limit
from weaver_sdk.errors import APIStatusError
from weaver_sdk.options import Sampling
from weaver_sdk.testing import Behaviour, Received, ScriptedServer


async def test_a_refused_field_is_left_out_and_remembered(caplog: pytest.LogCaptureFixture) -> None:
    async with chat_server(refuses=("stop",)) as asked:
        backend = backend_for(asked)
        with caplog.at_level(logging.WARNING, "weaver_sdk"):
            for _ in range(3):
                assert (await collect(backend, asking_in_chat(stop=("</Thread>",)))).text == " " + WORDS
        await backend.aclose()
    assert ["stop" in request.body for request in asked.completions] == [True, False, False, False]
    assert [record.message for record in caplog.records] == [
        "the server refuses the request field 'stop': it is not sent from now on"
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


SGLANG = (
    "Requested token count exceeds the model's maximum context length of 64000 tokens. You requested a total "
    "of 71897 tokens: 7897 tokens from the input messages and 64000 tokens for the completion. Please reduce"
)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (SGLANG, ReportedLimit("room", 56102)),
        (
            "This model's maximum context length is 4097 tokens. However, you requested 100005 tokens "
            "(5 in the messages, 100000 in the completion). Please reduce the length of the messages",
            ReportedLimit("room", 4091),
        ),
        (
            "This endpoint's maximum context length is 32768 tokens. However, you requested about 100300 "
            "tokens (300 of text input, 100000 in the output).",
            ReportedLimit("room", 32467),
        ),
        (
            "max_tokens=100000 cannot be greater than max_model_len=2048. Please request fewer.",
            ReportedLimit("most", 2048),
        ),
        (
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas",
            ReportedLimit("most", 16384),
        ),
        ("`max_tokens` must be less than or equal to `8192`, the maximum", ReportedLimit("most", 8192)),
        # the prompt leaves nothing, or the number is of something else
        ("maximum context length is 4096 tokens. However (5000 in the messages, 10 in the completion)", None),
        ("top_p must be less than or equal to 1", None),
        ("'max_tokens' is right, but n must be at most 4", None),
        ("no such model", None),
    ],
)
def test_which_limit_an_error_would_grant(message: str, found: ReportedLimit | None) -> None:
    assert reported_limit(message, {"model": "m", "max_tokens": 100_000}) == found


def refusing_beyond(context: int) -> ScriptedServer:
    """A server that refuses what the prompt leaves no room for, as SGLang does, and says what it would do."""

    def behave(received: Received) -> Behaviour | None:
        asked, given = received.body["max_tokens"], len(received.body["prompt"].split())
        if asked + given < context:
            return None
        told = (
            f"maximum context length of {context} tokens. {given} tokens from the input messages and {asked}"
        )
        return Behaviour(status=400, body=json.dumps({"object": "error", "message": told}))

    return ScriptedServer(model, behave=behave)


@pytest.mark.parametrize("context", [None, 40])
async def test_no_limit_is_all_that_the_prompt_leaves(context: int | None) -> None:
    known = replace(KNOWN["sglang"], context_tokens=context)
    async with refusing_beyond(15) as asked:
        got = await ask_once(asked, asking(), capabilities=known)
        assert (got.error, got.text) == (None, " " + WORDS)
        assert asked.completions[-1].body["max_tokens"] == 15 - len(QUESTION.split()) - 1
        assert len(asked.completions) == 2
        assert (await ask_once(asked, asking(max_tokens=2), capabilities=known)).finish == ["length"]
        assert len(asked.completions) == 3


async def test_a_highest_limit_is_learnt_once() -> None:
    def behave(received: Received) -> Behaviour | None:
        told = json.dumps({"error": {"message": "This model supports at most 300 completion tokens."}})
        return Behaviour(status=400, body=told) if received.body["max_tokens"] > 300 else None

    async with ScriptedServer(model, behave=behave) as asked:
        backend = CompletionsBackend("scripted", asked.base_url, retries=policy(0))
        for limit in (500, 500, 200):
            assert (await collect(backend, asking(max_tokens=limit))).text == " " + WORDS
        await backend.aclose()
    assert [request.body["max_tokens"] for request in asked.completions] == [500, 300, 300, 200]


async def test_a_limit_that_is_refused_again_stays_refused() -> None:
    told = json.dumps({"error": {"message": "supports at most 3 output tokens"}})
    async with server(*[Behaviour(status=400, body=told)] * 4) as asked:
        got = await ask_once(asked, asking(max_tokens=50))
    assert isinstance(got.error, APIStatusError)
    assert len(asked.completions) == 2
