"""Completions over `/v1/chat/completions`: the same chunks, whichever way a server goes on with a text."""

import asyncio
import json
from contextlib import aclosing

import pytest

from tests.backends.chatting import USER, asking_in_chat, backend_for, chat_once, chat_server, knowing
from tests.backends.collecting import WORDS, collect, model, policy
from weaver_sdk.backends.base import Backend, Prefill, Usage
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat_payload import ASKED_TO_GO_ON
from weaver_sdk.errors import APIStatusError, TruncatedStream
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer

BEGUN = " Six times seven"
WAYS: list[Prefill] = ["continue_final_message", "prefix", "last_message", "ask"]


async def test_a_question_is_answered() -> None:
    async with chat_server() as asked:
        got = await chat_once(asked)
    assert (got.error, got.text, got.finish) == (None, " " + WORDS, ["stop"])
    assert got.usage == Usage(prompt_tokens=5, completion_tokens=5)
    assert asked.completions[0].path == "/v1/chat/completions"
    assert asked.completions[0].body["messages"] == [USER]


@pytest.mark.parametrize("way", WAYS)
async def test_a_text_is_continued_in_each_way(way: Prefill) -> None:
    async with chat_server(chat=Chat(prefill=way)) as asked:
        got = await chat_once(asked, asking_in_chat(prefix=BEGUN), knowing(way))
    assert BEGUN + got.text == " " + WORDS
    body = asked.completions[0].body
    assert body["messages"][1] == {"role": "assistant", "content": BEGUN} | (
        {"prefix": True} if way == "prefix" else {}
    )
    assert ("continue_final_message" in body) == (way == "continue_final_message")
    assert len(body["messages"]) == (3 if way == "ask" else 2)


async def test_without_a_text_to_go_on_with_no_way_leaves_a_mark() -> None:
    for way in WAYS:
        async with chat_server(chat=Chat(prefill=way)) as asked:
            await chat_once(asked, capabilities=knowing(way))
        assert set(asked.completions[0].body) == {"model", "messages", "stream", "stream_options"}


async def test_a_model_that_is_asked_is_told_its_task_and_the_end_of_its_text() -> None:
    async with chat_server() as asked:
        await chat_once(asked, asking_in_chat(prefix=BEGUN, task="Write only part 2."))
    [_, _, further] = asked.completions[0].body["messages"]
    assert further["role"] == "user"
    assert further["content"].startswith(f"{ASKED_TO_GO_ON} Write only part 2.")
    assert further["content"].endswith(BEGUN)


@pytest.mark.parametrize("repeats", ["last line", "all"])
@pytest.mark.parametrize("split", [None, 7])
async def test_what_a_server_repeats_of_the_text_is_removed(repeats: str, split: int | None) -> None:
    for way in WAYS if repeats == "all" else WAYS[-1:]:
        chat = Chat(prefill=way, repeats=repeats)  # type: ignore[arg-type]
        async with chat_server(Behaviour(split=split), chat=chat) as asked:
            got = await chat_once(asked, asking_in_chat(prefix=BEGUN), knowing(way))
        assert BEGUN + got.text == " " + WORDS, way


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_is_kept_apart(field: str) -> None:
    chat = Chat(reasoning="Let me think.", reasoning_field=field)  # type: ignore[arg-type]
    async with chat_server(chat=chat) as asked:
        got = await chat_once(asked)
    assert got.text == " " + WORDS
    assert "".join(chunk.reasoning for chunk in got.chunks) == "Let me think."
    assert not any(chunk.reasoning and chunk.text for chunk in got.chunks)


async def test_stops_and_limits_are_sent_and_said() -> None:
    async with chat_server() as asked:
        got = await chat_once(asked, asking_in_chat(stop=(" is",), max_tokens=9))
        assert (got.text, got.finish, got.matched) == (" Six times seven", ["stop"], [" is"])
        got = await chat_once(asked, asking_in_chat(max_tokens=2))
        assert (got.text, got.finish) == (" Six times", ["length"])


@pytest.mark.parametrize("way", WAYS)
async def test_a_stream_that_breaks_off_goes_on_behind_its_text(way: Prefill) -> None:
    async with chat_server(Behaviour(broken_off="dropped", after=2), chat=Chat(prefill=way)) as asked:
        got = await chat_once(asked, capabilities=knowing(way), retries=policy(1))
    assert (got.error, got.text) == (None, " " + WORDS)
    assert [retry.resumed for retry in got.retries] == [True]


async def test_a_stream_without_an_end_is_cut_and_a_429_is_tried_again() -> None:
    async with chat_server(Behaviour(broken_off="ended", after=1), Behaviour(status=429)) as asked:
        assert isinstance((await chat_once(asked)).error, TruncatedStream)
        assert (await chat_once(asked, retries=policy(1))).text == " " + WORDS


async def test_closing_a_stream_aborts_the_request() -> None:
    async with ScriptedServer(lambda _: " word" * 1000, pace=0.01, chat=Chat()) as asked:
        backend = backend_for(asked)
        async with aclosing(backend.stream(asking_in_chat())) as chunks:
            assert (await anext(chunks)).sent
            assert (await anext(chunks)).text
        await asked.until_idle()
        assert asked.aborted == 1
        await backend.aclose()


async def test_it_is_a_backend_and_says_which_protocol_it_speaks() -> None:
    async with chat_server(api_key="right") as asked:
        backend = backend_for(asked, KNOWN["vllm"], api_key="wrong")
        assert isinstance(backend, Backend)
        assert backend.capabilities.api == "chat"
        assert backend.capabilities.server == "vllm"
        assert "wrong" not in repr(backend)
        error = (await collect(backend, asking_in_chat())).error
        assert isinstance(error, APIStatusError)
        assert error.status == 401
        await backend.aclose()


async def test_many_at_once() -> None:
    async with chat_server(Behaviour(), pace=0.001) as asked:
        backend = backend_for(asked)
        every = await asyncio.gather(*(collect(backend, asking_in_chat()) for _ in range(20)))
        assert {got.text for got in every} == {" " + WORDS}
        await backend.aclose()


@pytest.mark.parametrize(
    "told",
    [
        "Assistant response prefill is incompatible with enable_thinking.",
        "This model does not support it. The conversation must end with a user message.",
        "Unsupported parameter: 'continue_final_message' is not supported with this model.",
    ],
)
async def test_a_server_that_refuses_a_prefill_is_asked_from_then_on(told: str) -> None:
    def behave(received: Received) -> Behaviour | None:
        refused = received.body["messages"][-1]["role"] == "assistant"
        return Behaviour(status=400, body=json.dumps({"error": {"message": told}})) if refused else None

    async with ScriptedServer(model, behave=behave, chat=Chat()) as asked:
        backend = backend_for(asked, KNOWN["vllm"])
        for _ in range(2):
            got = await collect(backend, asking_in_chat(prefix=BEGUN))
            assert (got.error, BEGUN + got.text) == (None, " " + WORDS)
        await backend.aclose()
    assert len(asked.completions) == 3
    assert "continue_final_message" not in asked.completions[-1].body


async def test_an_error_that_is_about_something_else_is_no_refusal_of_a_prefill() -> None:
    async with chat_server(Behaviour(status=400), Behaviour(status=500)) as asked:
        for _ in range(2):
            got = await chat_once(asked, asking_in_chat(prefix=BEGUN), KNOWN["vllm"])
            assert isinstance(got.error, APIStatusError)
    assert len(asked.completions) == 2
