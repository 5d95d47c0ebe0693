"""The JSON of a chat: no field that was not wanted, and every shape of a delta that servers send."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from tests.backends.chatting import asking_in_chat
from tests.backends.collecting import asking
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, Prefill, Prompt, Usage
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat_payload import chat_body, chat_messages, read_chat_chunk
from weaver_sdk.errors import ProtocolError
from weaver_sdk.options import Sampling


def test_a_prompt_without_turns_is_the_users() -> None:
    assert chat_messages(asking(), "ask") == [{"role": "user", "content": asking().text}]


def test_earlier_turns_stay() -> None:
    talk = ({"role": "system", "content": "s"}, {"role": "user", "content": "u"})
    request = CompletionRequest(prompt=Prompt(text="raw", messages=talk), prefix="p")
    assert chat_messages(request, "last_message") == [*talk, {"role": "assistant", "content": "p"}]


def test_parts_names_and_calls_of_tools_are_sent_as_they_are() -> None:
    talk: tuple[dict[str, Any], ...] = (
        {"role": "user", "name": "ann", "content": "How warm is it?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And here?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
    )
    for prefill in get_args(Prefill):
        request = CompletionRequest(prompt=Prompt(text="", messages=talk), prefix="p")
        body = chat_body(request, "m", Capabilities(prefill=prefill))
        assert tuple(body["messages"][:4]) == talk


def test_what_the_request_asks_for_is_sent_and_extras_only_to_who_knows_them() -> None:
    request = asking_in_chat(
        stop=("a",), max_tokens=3, grammar="g", sampling=Sampling(temperature=0.0, seed=1)
    )
    plain = chat_body(request, "m", Capabilities())
    assert plain["stop"] == ["a"]
    assert (plain["max_tokens"], plain["temperature"], plain["seed"]) == (3, 0.0, 1)
    assert not {"grammar", "return_token_ids", "skip_special_tokens"} & plain.keys()
    vllm = chat_body(request, "m", KNOWN["vllm"])
    assert vllm["structured_outputs"] == {"grammar": "g"}
    assert vllm["return_token_ids"] is True
    assert vllm["skip_special_tokens"] is False
    assert chat_body(request, "m", KNOWN["llama.cpp"])["grammar"] == "g"


def test_a_schema_is_asked_for_as_chat_servers_know_it() -> None:
    body = chat_body(asking_in_chat(json_schema={"type": "object"}), "m", Capabilities())
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("told", "chunk"),
    [
        (delta(content="a"), Chunk(text="a")),
        (delta(role="assistant", content=None), None),
        (delta(role="assistant", content=""), None),
        (delta(reasoning="r"), Chunk(reasoning="r")),
        (delta(reasoning_content="r"), Chunk(reasoning="r")),
        (delta(reasoning="r", reasoning_content="r"), Chunk(reasoning="r")),
        (delta(content="a", reasoning_content="r"), Chunk(text="a", reasoning="r")),
        (delta(content=None, refusal="no"), Chunk(text="no")),
        (delta("stop"), Chunk(finish_reason="stop")),
        (delta(""), None),
        ({"choices": [{"delta": None, "finish_reason": "length"}]}, Chunk(finish_reason="length")),
        (
            delta(
                content=[
                    {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]},
                    {"type": "text", "text": "a"},
                ]
            ),
            Chunk(text="a", reasoning="r"),
        ),
        ({"choices": [], "usage": {"prompt_tokens": 3}}, Chunk(usage=Usage(prompt_tokens=3))),
        ({"choices": []}, None),
        (
            {"choices": [{"delta": {"content": "a"}, "token_ids": [7]}]},
            Chunk(text="a", token_ids=(7,)),
        ),
        (
            {"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": "</Thread>"}]},
            Chunk(finish_reason="stop", matched_stop="</Thread>"),
        ),
    ],
)
def test_each_shape_of_a_delta(told: dict[str, Any], chunk: Chunk | None) -> None:
    assert read_chat_chunk(told) == chunk


@pytest.mark.parametrize(
    "choice", ["words", {"delta": "words"}, {"delta": {"content": [1]}}, {"delta": {}, "token_ids": 5}]
)
def test_what_is_no_chunk_is_an_error(choice: object) -> None:
    with pytest.raises(ProtocolError, match="unknown format"):
        read_chat_chunk({"choices": [choice]})


def test_no_limit_is_beyond_the_context() -> None:
    known = replace(KNOWN["vllm"], context_tokens=2048)
    assert chat_body(asking_in_chat(max_tokens=5000), "m", known)["max_tokens"] == 2048
    assert "max_tokens" not in chat_body(asking_in_chat(), "m", known)


def test_a_model_that_is_asked_may_say_the_last_lines_again_under_its_grammar() -> None:
    request = asking_in_chat(prefix='one\n<Thread>\n1: a "b":', grammar='root ::= " " line\nline ::= [^<]+\n')
    known = replace(KNOWN["llama.cpp"], prefill="ask")
    assert chat_body(request, "m", known)["grammar"] == (
        r'root ::= ("<Thread>\n1: a \"b\":" | "1: a \"b\":")? continued' + "\n"
        'continued ::= " " line\nline ::= [^<]+\n'
    )
    assert chat_body(request, "m", KNOWN["llama.cpp"])["grammar"] == request.grammar
    begins = replace(request, prefix="")
    assert chat_body(begins, "m", known)["grammar"] == request.grammar
