"""Log-probabilities: asked for by request alone, in every shape that servers send, and not at any price."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.chatting import asking_in_chat, backend_for, chat_once, chat_server
from tests.backends.collecting import WORDS, Got, ask_once, asking, collect, policy, server
from weaver_sdk.backends.base import Capabilities, Chunk, TokenLogprob
from weaver_sdk.backends.chat_payload import chat_body, read_chat_chunk
from weaver_sdk.backends.continuation import without_repeats
from weaver_sdk.backends.payload import read_chunk, request_body
from weaver_sdk.engines.llama.backend import read_chunk as read_llama_chunk
from weaver_sdk.errors import ProtocolError
from weaver_sdk.testing import Behaviour

ANY = Capabilities()
PROBS = ("logprobs", "top_logprobs", "n_probs")

SIX = TokenLogprob(" Six", -0.25, ((" Six", -0.25), (" 6", -1.5)))
SELDOM = TokenLogprob(" Six", -4.0, ((" 6", -0.5), (" six", -1.0), (" Six", -4.0)))
ENTRY = {
    "token": " Six",
    "logprob": -0.25,
    "bytes": [32, 83, 105, 120],
    "top_logprobs": [
        {"token": " Six", "logprob": -0.25, "bytes": [32, 83, 105, 120]},
        {"token": " 6", "logprob": -1.5, "bytes": [32, 54]},
    ],
}
LEGACY = {
    "text_offset": [0],
    "token_logprobs": [-0.25],
    "tokens": [" Six"],
    "top_logprobs": [{" Six": -0.25, " 6": -1.5}],
}


def test_they_are_asked_for_by_request_alone() -> None:
    for body in (request_body(asking(), "m", ANY), chat_body(asking(), "m", ANY)):
        assert not body.keys() & set(PROBS)
    assert request_body(asking(logprobs=3), "m", ANY)["logprobs"] == 3
    body = chat_body(asking(logprobs=3), "m", ANY)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (LEGACY, (SIX,)),  # vLLM, OpenAI: those of /v1/completions
        (
            {**LEGACY, "token_logprobs": [-4.0], "top_logprobs": [{" Six": -4.0, " 6": -0.5, " six": -1.0}]},
            (SELDOM,),
        ),
        ({**LEGACY, "top_logprobs": None}, (TokenLogprob(" Six", -0.25),)),
        ({"tokens": [" Six"], "token_logprobs": [-0.25]}, (TokenLogprob(" Six", -0.25),)),
        ({"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [None]}, ()),
        ({"content": [ENTRY]}, (SIX,)),  # llama.cpp, and every chat
        ({"content": [ENTRY], "refusal": None}, (SIX,)),
        ({"content": [{"token": " Six", "logprob": -0.25}]}, (TokenLogprob(" Six", -0.25),)),
        ({"content": None}, ()),
        (None, ()),
        (-0.25, ()),  # a lone number tells no token
    ],
)
def test_each_shape_means_the_same_over_both_endpoints(told: Any, meant: tuple[TokenLogprob, ...]) -> None:
    choice = {"text": " Six", "delta": {"content": " Six"}, "logprobs": told, "finish_reason": None}
    assert read_chunk({"choices": [choice]}) == Chunk(text=" Six", logprobs=meant)
    assert read_chat_chunk({"choices": [choice]}) == Chunk(text=" Six", logprobs=meant)


def test_those_of_a_text_that_is_held_back_come_by_themselves() -> None:
    choice = {"text": "", "delta": {"content": ""}, "logprobs": LEGACY, "finish_reason": None}
    assert read_chunk({"choices": [choice]}) == Chunk(logprobs=(SIX,))
    assert read_chat_chunk({"choices": [choice]}) == Chunk(logprobs=(SIX,))


def test_the_shape_of_llama_cpps_own_endpoint() -> None:
    told = {"content": " Six", "tokens": [1], "stop": False, "completion_probabilities": [ENTRY]}
    assert read_llama_chunk(told) == Chunk(text=" Six", token_ids=(1,), logprobs=(SIX,))


@pytest.mark.parametrize(
    "told",
    [
        {"tokens": ["a", "b"], "token_logprobs": [-1.0]},
        {"tokens": ["a"]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [["b"]]},
        {"content": ["a"]},
        {"content": 3},
        {"content": [{"logprob": -1.0}]},
    ],
)
def test_another_shape_is_a_protocol_error(told: Any) -> None:
    choice = {"text": "a", "delta": {"content": "a"}, "logprobs": told, "finish_reason": None}
    for read in (read_chunk, read_chat_chunk):
        with pytest.raises(ProtocolError, match="unknown format"):
            read({"choices": [choice]})


def tokens(got: Got) -> list[str]:
    return [one.token for chunk in got.chunks for one in chunk.logprobs]


async def test_a_server_that_refuses_them_answers_without() -> None:
    async with chat_server(refuses=PROBS) as asked:
        backend = backend_for(asked)
        for _ in range(2):
            got = await collect(backend, asking_in_chat(logprobs=2))
            assert (got.error, got.text, tokens(got)) == (None, " " + WORDS, [])
        await backend.aclose()
    assert len(asked.completions) == 4


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Logprobs is not enabled for models/gemini-2.5-pro"),
        (400, "Invalid value for 'logprobs': must be less than or equal to 5."),
        (403, "You are not allowed to request logprobs from this model"),
        (422, "'logprobs' is not supported with this model."),
    ],
)
async def test_a_refusal_in_each_hosts_words(status: int, message: str) -> None:
    refusal = Behaviour(status=status, body=json.dumps({"error": {"message": message}}))
    async with server(refusal) as asked:
        assert (await ask_once(asked, asking(logprobs=30))).text == " " + WORDS
    assert ["logprobs" in request.body for request in asked.completions] == [True, False]
    async with chat_server(refusal, refusal) as asked:
        assert (await chat_once(asked, asking_in_chat(logprobs=30))).text == " " + WORDS
    assert not asked.completions[-1].body.keys() & set(PROBS)


def event(*words: str, finish: str | None = None) -> str:
    told = {"tokens": words, "token_logprobs": [-0.5] * len(words), "top_logprobs": [{}] * len(words)}
    choice = {"text": "".join(words), "logprobs": told, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


async def test_a_stream_that_breaks_keeps_those_that_had_come() -> None:
    cut = Behaviour(body=event(" Six", " times"))
    rest = Behaviour(body=event(" seven", finish="stop"))
    async with server(cut, rest) as asked:
        got = await ask_once(asked, asking(logprobs=1), retries=policy(1))
    assert (got.error, got.text) == (None, " Six times seven")
    assert tokens(got) == [" Six", " times", " seven"]
    assert [request.body["logprobs"] for request in asked.completions] == [1, 1]


@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 2))
async def test_what_is_repeated_of_a_text_is_taken_from_them_too(start: int, width: int, ahead: int) -> None:
    prefix = "<think>\nTwo parts.\n<Thread>\n2:"
    text = prefix[start:] + " new words"
    pieces = [text[i : i + width] for i in range(0, len(text), width)]

    async def stream() -> AsyncGenerator[Chunk, None]:
        for n, piece in enumerate([*pieces, *[""] * ahead]):  # the text may come some chunks late
            late = pieces[n - ahead] if 0 <= n - ahead < len(pieces) else ""
            yield Chunk(text=late, logprobs=(TokenLogprob(piece, -1.0),) if piece else ())
        yield Chunk(finish_reason="stop")

    chunks = [chunk async for chunk in without_repeats(stream(), prefix, asked=True)]
    left = "".join(chunk.text for chunk in chunks)
    told = "".join(one.token for chunk in chunks for one in chunk.logprobs)
    assert told.endswith(left)
    assert len(told) - len(left) < width or ahead
