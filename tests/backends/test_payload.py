"""What a request says to each kind of server, and what is read in a chunk."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.backends.collecting import QUESTION, asking
from weaver_sdk.backends.base import Capabilities, Chunk, StructuralTag, Usage
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat_payload import chat_body
from weaver_sdk.backends.payload import read_chunk, request_body
from weaver_sdk.options import Sampling

PLAIN = {
    "model": "m",
    "prompt": QUESTION,
    "max_tokens": None,
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_an_unknown_server_is_sent_nothing_but_the_standard() -> None:
    assert request_body(asking(grammar="g"), "m", Capabilities()) == PLAIN


def test_what_a_request_may_hold() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, seed=7, extra={"logit_bias": {}})
    body = request_body(
        asking(prefix=" Six", stop=("a", "b"), max_tokens=3, sampling=sampling), "m", Capabilities()
    )
    assert body == PLAIN | {
        "prompt": QUESTION + " Six",
        "stop": ["a", "b"],
        "max_tokens": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "logit_bias": {},
    }


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (
            "vllm",
            {
                "skip_special_tokens": False,
                "spaces_between_special_tokens": False,
                "add_special_tokens": False,
                "return_token_ids": True,
                "structured_outputs": {"grammar": "g"},
            },
        ),
        ("sglang", {"skip_special_tokens": False, "ebnf": "g", "max_tokens": 1 << 20}),
        ("llama.cpp", {"grammar": "g"}),
        ("openai", {}),
    ],
)
def test_known_servers_get_what_they_know(kind: Any, more: dict[str, object]) -> None:
    assert request_body(asking(grammar="g"), "m", KNOWN[kind]) == PLAIN | more


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("vllm", {"structured_outputs": {"json": {"type": "object"}}}),
        ("sglang", {"json_schema": '{"type": "object"}'}),
        ("llama.cpp", {"json_schema": {"type": "object"}}),
    ],
)
def test_a_schema_goes_to_the_servers_that_take_one(kind: Any, more: dict[str, object]) -> None:
    body = request_body(asking(json_schema={"type": "object"}), "m", KNOWN[kind])
    assert {name: body[name] for name in more} == more
    assert request_body(asking(json_schema={"type": "object"}), "m", Capabilities()) == PLAIN


def test_a_user_has_the_last_word() -> None:
    body = request_body(asking(sampling=Sampling(extra={"skip_special_tokens": True})), "m", KNOWN["vllm"])
    assert body["skip_special_tokens"] is True
    told = Capabilities(grammar=True, extra_fields={"priority": 1})
    assert request_body(asking(grammar="g"), "m", told) == PLAIN | {"grammar": "g", "priority": 1}


def test_a_users_stop_strings_are_sent_beside_the_runs() -> None:
    request = asking(stop=("</Thread>", "a"), sampling=Sampling(stop=("b", "a")))
    assert request_body(request, "m", Capabilities())["stop"] == ["</Thread>", "a", "b"]
    assert chat_body(request, "m", Capabilities())["stop"] == ["</Thread>", "a", "b"]


def test_where_stop_strings_are_too_many_the_users_are_kept() -> None:
    request = asking(stop=("1", "2", "3"), sampling=Sampling(stop=("a", "2")))
    for most, sent in ((4, ["1", "2", "3", "a"]), (3, ["1", "a", "2"]), (1, ["a", "2"])):
        assert request_body(request, "m", Capabilities(most_stops=most))["stop"] == sent


def test_what_a_run_needs_goes_before_what_a_user_adds() -> None:
    sampling = Sampling(extra={"grammar": "mine", "json_schema": {}, "response_format": {}})
    request = asking(grammar="g", json_schema={"type": "object"}, sampling=sampling)
    body = request_body(request, "m", KNOWN["llama.cpp"])
    assert (body["grammar"], body["json_schema"]) == ("g", {"type": "object"})
    assert chat_body(request, "m", Capabilities())["response_format"]["type"] == "json_schema"
    assert request_body(asking(sampling=sampling), "m", KNOWN["llama.cpp"])["grammar"] == "mine"


def chunk(text: object = "a", finish: object = None, **more: object) -> dict[str, object]:
    return {"choices": [{"text": text, "finish_reason": finish, **more}]}


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (chunk(), Chunk(text="a")),
        (chunk(text=None), None),
        (chunk(text=""), None),
        (chunk(finish=""), Chunk(text="a")),
        (chunk(finish="length"), Chunk(text="a", finish_reason="length")),
        (chunk(token_ids=[3, 4]), Chunk(text="a", token_ids=(3, 4))),
        (chunk(text="", token_ids=[3]), Chunk(token_ids=(3,))),
        (chunk(stop_reason="x"), Chunk(text="a")),
        ({"choices": []}, None),
        ({}, None),
        ({"usage": None, "choices": []}, None),
        ({"usage": {}, "choices": []}, Chunk(usage=Usage())),
        (
            {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}},
            Chunk(usage=Usage(prompt_tokens=5, completion_tokens=2)),
        ),
        (
            {"usage": {"prompt_tokens_details": {"cached_tokens": 3}}, "timings": {"cache_n": 9}},
            Chunk(usage=Usage(cached_prompt_tokens=3)),
        ),
        (
            {"usage": {"prompt_tokens": 5}, "timings": {"cache_n": 4}},
            Chunk(usage=Usage(prompt_tokens=5, cached_prompt_tokens=4)),
        ),
        (
            {"timings": {"cache_n": 4, "prompt_n": 2, "predicted_n": 8}},
            Chunk(usage=Usage(prompt_tokens=6, completion_tokens=8, cached_prompt_tokens=4)),
        ),
        ({"timings": {"predicted_n": 8}}, Chunk(usage=Usage(prompt_tokens=0, completion_tokens=8))),
        ({"timings": {"prompt_n": 8}}, None),
    ],
)
def test_what_a_chunk_means(told: dict[str, object], meant: Chunk | None) -> None:
    assert read_chunk(told) == meant


@pytest.mark.parametrize(
    ("asked", "context", "sent"),
    [(None, None, None), (None, 4096, 4096), (100, 4096, 100), (9000, 4096, 4096)],
)
def test_no_limit_is_the_whole_context_and_no_limit_is_beyond_it(
    asked: int | None, context: int | None, sent: int | None
) -> None:
    request = asking(max_tokens=asked)
    capabilities = Capabilities(server="vllm", context_tokens=context)
    assert request_body(request, "m", capabilities)["max_tokens"] == sent


def test_sglang_is_asked_for_what_the_prompt_surely_leaves() -> None:
    known = Capabilities(server="sglang", context_tokens=4096)
    long = asking(prefix="x" * (3 * 1000 - len(QUESTION)))
    assert request_body(long, "m", known)["max_tokens"] == 3096
    assert request_body(replace(long, max_tokens=50), "m", known)["max_tokens"] == 50
    assert request_body(asking(prefix="x" * 99_999), "m", known)["max_tokens"] == 1


def test_a_structural_tag_goes_to_vllm_as_json() -> None:
    tag = StructuralTag({"type": "any_text", "excludes": ["<a>"]})
    body = request_body(asking(grammar=tag), "m", KNOWN["vllm"])
    [(kind, sent)] = body["structured_outputs"].items()
    assert kind == "structural_tag"
    assert json.loads(sent) == {"type": "structural_tag", "format": tag.format}
