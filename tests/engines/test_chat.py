"""A real llama.cpp over its chat endpoint: the same run as over completions, byte for byte."""

import re
from dataclasses import replace

from tests.engines.completions import asked
from weaver_sdk import ParallelReasoner, PromptedStrategy, Result, Sampling
from weaver_sdk.backends.base import Prefill
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.choose import transport_to
from weaver_sdk.backends.probe import fetch_json
from weaver_sdk.doctor.diagnose import diagnose
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.models import weaver_nano

PROBLEM = "Compute 47*86 + 93*12"
GREEDY = Sampling(temperature=0.0)


async def solve(engine: LlamaServer, api: str) -> Result:
    async with ParallelReasoner(
        engine.model_name,
        base_url=engine.base_url,
        api=api,  # type: ignore[arg-type]
        dialect="threadweaver",
        sampling=GREEDY,
    ) as reasoner:
        return await reasoner.solve(PROBLEM)


async def test_chat_by_prefill_gives_what_completions_give(quick_engine: LlamaServer) -> None:
    over_completions, over_chat = await solve(quick_engine, "completions"), await solve(quick_engine, "chat")
    assert over_chat.telemetry.forks == 1
    assert over_chat.well_formed
    assert over_chat.text == over_completions.text
    assert over_chat.answer == over_completions.answer


async def test_a_system_prompt_stands_where_the_models_own_template_puts_it(engine: LlamaServer) -> None:
    turns = PromptedStrategy(shown="turns").turns([{"role": "user", "content": "Compute 2*3 + 4*5"}])
    backend = CompletionsBackend(engine.model_name, engine.base_url, capabilities=KNOWN["llama.cpp"])
    told = await backend.chat_template()
    await backend.aclose()
    link = transport_to(engine.base_url)
    applied = await fetch_json(link, f"{engine.url}/apply-template", {"messages": turns}, seconds=60)
    await link.aclose()
    assert told is not None
    assert applied is not None
    assert told(turns) == applied["prompt"]


async def test_a_model_that_is_asked_goes_on_under_its_grammar(engine: LlamaServer) -> None:
    known = replace(KNOWN["llama.cpp"], prefill="ask")
    backend = ChatBackend(engine.model_name, engine.base_url, capabilities=known)
    request = asked("Compute 2*3.", tokens=60, grammar='root ::= " " [0-9]{1,4} "."')
    request = replace(request, prefix="<think>\n<Thread>\n1: 2*3:")
    text = "".join([chunk.text async for chunk in backend.stream(request)])
    await backend.aclose()
    assert re.fullmatch(r" \d{1,4}\.", text)


async def test_an_examination_of_a_real_server(engine: LlamaServer) -> None:
    found = await diagnose(engine.base_url, most=2, tag="</Thread>")
    ways: tuple[Prefill, Prefill | None] = (found.prefill, found.prefill_found)
    assert (found.server, found.api) == ("llama.cpp", "completions")
    assert found.completions.works
    assert found.chat.works
    assert ways == ("continue_final_message", "continue_final_message")
    assert found.completions.stops is True
    assert found.completions.counts_tokens
    assert found.special_tags is None  # its vocabulary has no such tag
    assert found.crowd is not None
    assert found.crowd.accepted == 2


async def test_tags_that_are_tokens_are_shown(quick_engine: LlamaServer) -> None:
    assert quick_engine.model_name == weaver_nano().name
    assert (await diagnose(quick_engine.base_url, most=1, tag="</Thread>")).special_tags is True
