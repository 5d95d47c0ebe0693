"""Servers are told apart by what they say of themselves; what they do not say is unknown, and no error."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import openai
import pytest

from tests.backends.collecting import asking, collect, server
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat_template import ChatTemplate, ask_chat_template
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.choose import transport_to
from weaver_sdk.backends.probe import probe, served_models
from weaver_sdk.errors import APIStatusError, ConfigurationError, ConnectionFailed


def models(*names: str, owner: str = "someone", **more: object) -> dict[str, object]:
    return {"/v1/models": {"object": "list", "data": [{"id": n, "owned_by": owner, **more} for n in names]}}


@pytest.mark.parametrize(
    ("routes", "kind"),
    [
        (models("m", owner="vllm"), "vllm"),
        (models("m", owner="sglang"), "sglang"),
        (models("m", owner="llamacpp"), "llama.cpp"),
        (models("m", owner="openai"), "openai"),
        (models("m") | {"/version": {"version": "0.32.0"}}, "vllm"),
        (models("m") | {"/props": {"default_generation_settings": {}}}, "llama.cpp"),
        (models("m") | {"/get_server_info": {"model_path": "x"}}, "sglang"),
        (models("m") | {"/version": {"build": 1}, "/props": []}, "unknown"),
        (models("m"), "unknown"),
        ({"/v1/models": {"nothing": 1}}, "unknown"),
        ({"/v1/models": {"data": ["m", {"name": "m"}]}}, "unknown"),
        ({"/v1/models": "no object"}, "unknown"),
    ],
)
async def test_each_server_is_known_by_its_own_word(routes: Mapping[str, object], kind: str) -> None:
    async with server(routes=routes) as asked:
        link = transport_to(asked.base_url)
        facts = await probe(link)
        await link.aclose()
    assert facts.capabilities.server == kind
    if kind != "unknown":
        assert facts.capabilities == KNOWN[facts.capabilities.server]
    assert facts.models == (("m",) if routes == models("m") or kind != "unknown" else facts.models)


async def test_models_and_the_length_of_their_context() -> None:
    async with server(routes=models("a", "b", owner="vllm", max_model_len=4096)) as asked:
        link = transport_to(asked.base_url)
        facts = await probe(link)
        assert (facts.models, facts.capabilities.context_tokens) == (("a", "b"), 4096)
        assert await served_models(link) == ("a", "b")
        await link.aclose()


async def test_a_server_that_has_no_list_of_models() -> None:
    async with server(routes={"/v1/models": None}) as asked:
        del asked._routes["/v1/models"]
        link = transport_to(asked.base_url)
        assert (await probe(link)).models == ()
        await link.aclose()


async def test_a_server_that_is_slow_to_say_is_unknown() -> None:
    answering = []

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.current_task())
        await reader.read()
        writer.close()

    running = await asyncio.start_server(never, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    link = transport_to(f"http://127.0.0.1:{port}/v1")
    facts = await probe(link, seconds=0.02)
    assert (facts.capabilities.server, facts.models) == ("unknown", ())
    await link.aclose()
    running.close()
    await asyncio.gather(*answering)


async def test_a_dead_port_and_a_wrong_key_are_errors() -> None:
    async with server(api_key="right") as asked:
        with pytest.raises(APIStatusError, match=r"401.*API key"):
            await probe(transport_to(asked.base_url, "wrong"))
        address = asked.base_url
    with pytest.raises(ConnectionFailed, match=rf"{address}/models.*running"):
        await probe(transport_to(address))
    with pytest.raises(ConnectionFailed):
        await ask_chat_template(transport_to(address), "m", "llama.cpp")


async def test_a_backend_fills_in_what_was_not_given() -> None:
    async with server(routes=models("the-model", owner="vllm")) as asked:
        backend = CompletionsBackend(base_url=asked.base_url)
        with pytest.raises(ConfigurationError, match="model="):
            _ = backend.model
        assert backend.capabilities.server == "unknown"
        await backend.discover()
        assert (backend.model, backend.capabilities.server) == ("the-model", "vllm")
        await collect(backend, asking())
        assert asked.completions[0].body["model"] == "the-model"
        await backend.aclose()
        kept = CompletionsBackend("mine", asked.base_url, capabilities=KNOWN["openai"])
        await kept.discover()
        assert (kept.model, kept.capabilities.server) == ("mine", "openai")
        await kept.aclose()


@pytest.mark.parametrize("names", [(), ("a", "b")])
async def test_which_model_is_for_the_user_to_say(names: tuple[str, ...]) -> None:
    async with server(routes=models(*names)) as asked:
        backend = CompletionsBackend(base_url=asked.base_url)
        with pytest.raises(ConfigurationError, match="model="):
            await backend.discover()
        await backend.aclose()


def applied(body: Mapping[str, Any]) -> str:
    marks = {"system": "<S>{}</S>", "user": "<U>{}</U>", "assistant": "<A>{}</A>"}
    return "<B>" + "".join(marks[m["role"]].format(m["content"]) for m in body["messages"]) + "<A>"


TALK = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
]


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm"])
async def test_the_chat_template_is_asked_once(kind: Any) -> None:
    def tokenize(body: Mapping[str, Any]) -> object:
        assert body["add_generation_prompt"] is True
        return {"tokens": [ord(c) for c in applied(body)]}

    routes: dict[str, object] = {
        "/apply-template": lambda body: {"prompt": applied(body)},
        "/tokenize": tokenize,
        "/detokenize": lambda body: {"prompt": "".join(map(chr, body["tokens"]))},
    }
    async with server(routes=routes) as asked:
        backend = CompletionsBackend("m", asked.base_url, capabilities=KNOWN[kind])
        template = await backend.chat_template()
        asked_once = len(asked.log)
        assert template is not None
        assert template(TALK[:1]) == applied({"messages": TALK[:1]})
        assert template(TALK) == applied({"messages": TALK})
        assert len(asked.log) == asked_once
        await backend.aclose()


def in_front(body: Mapping[str, Any]) -> str:
    """A template with a system turn; without one it puts its own."""
    system, *turns = body["messages"]
    if system["role"] != "system":
        system, turns = {"content": "Be good."}, body["messages"]
    return f"<S>{system['content']}</S>" + applied({"messages": turns})


def in_the_last_question(body: Mapping[str, Any]) -> str:
    system, *turns = body["messages"]
    if system["role"] != "system":
        return applied(body)
    return applied(
        {"messages": [*turns[:-1], {"role": "user", "content": f"{system['content']}, {turns[-1]}"}]}
    )


def overlooked(body: Mapping[str, Any]) -> str:
    return applied({"messages": [turn for turn in body["messages"] if turn["role"] != "system"]})


def refused(body: Mapping[str, Any]) -> str:
    return "" if body["messages"][0]["role"] == "system" else applied(body)


@pytest.mark.parametrize("how", [in_front, in_the_last_question, overlooked, refused])
async def test_a_system_prompt_stands_where_the_template_puts_it(how: Callable[..., str]) -> None:
    taught = {"role": "system", "content": "Be brief."}
    async with server(routes={"/apply-template": lambda body: {"prompt": how(body)}}) as asked:
        link = transport_to(asked.base_url)
        template = await ask_chat_template(link, "m", "llama.cpp")
        await link.aclose()
    assert template is not None
    assert template(TALK) == how({"messages": TALK})
    with_question = [{"role": "user", "content": f"Be brief.\n\n{TALK[0]['content']}"}, *TALK[1:]]
    as_told = how({"messages": [taught, *TALK] if how is in_front else with_question})
    assert template([taught, *TALK]) == as_told
    assert "Be brief." in as_told


@pytest.mark.parametrize(
    ("kind", "routes"),
    [
        ("unknown", {}),
        ("llama.cpp", {}),
        ("llama.cpp", {"/apply-template": {"prompt": 7}}),
        ("llama.cpp", {"/apply-template": []}),
        ("llama.cpp", {"/apply-template": {"prompt": "a template without the question"}}),
        ("vllm", {"/tokenize": {"tokens": [1]}}),
    ],
)
async def test_a_template_that_is_not_told(kind: Any, routes: dict[str, object]) -> None:
    async with server(routes=routes) as asked:
        link = transport_to(asked.base_url)
        assert await ask_chat_template(link, "m", kind) is None
        await link.aclose()


async def test_a_server_is_asked_through_a_users_client_too() -> None:
    async with server(routes=models("m", owner="vllm"), api_key="k") as asked:
        async with openai.AsyncOpenAI(base_url=asked.base_url, api_key="k") as sdk:
            assert (await probe(transport_to(None, client=sdk))).models == ("m",)
        address = asked.base_url
        async with openai.AsyncOpenAI(base_url=address, api_key="x") as sdk:
            with pytest.raises(APIStatusError, match="401"):
                await probe(transport_to(None, client=sdk))
    async with openai.AsyncOpenAI(base_url=address, api_key="k") as sdk:
        with pytest.raises(ConnectionFailed):
            await probe(transport_to(None, client=sdk))


TOLD = ChatTemplate("<u>", "</u><a>", "</a><u>", "</u><a>", system=("<s>", "</s><u>"))


def test_a_told_template_takes_text_parts_and_a_developers_turn() -> None:
    asked = [
        {"role": "developer", "content": [{"type": "text", "text": "S"}]},
        {"role": "user", "content": [{"type": "text", "text": "Q"}]},
    ]
    assert TOLD(asked) == "<s>S</s><u>Q</u><a>"


@pytest.mark.parametrize(
    ("turn", "named"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "an image"),
        ({"role": "tool", "content": "21 degrees"}, "role 'tool'"),
    ],
)
def test_a_told_template_refuses_what_is_no_text(turn: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        TOLD([turn, {"role": "user", "content": "Q"}])
