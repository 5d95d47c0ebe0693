"""Completions through the real LiteLLM package, with a scripted server behind it.

It has an environment of its own: `make test-litellm`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from tests.backends.chatting import asking_in_chat, chat_server
from tests.backends.collecting import WORDS, Got, collect, model, policy
from weaver_sdk import ParallelReasoner
from weaver_sdk.backends.base import Backend, Capabilities, CompletionRequest, TokenLogprob
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.litellm import LiteLLMBackend
from weaver_sdk.errors import APIStatusError, ConnectionFailed, IdleTimeout, TruncatedStream
from weaver_sdk.events import Event
from weaver_sdk.options import Sampling
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer, fork_join_script

pytestmark = [pytest.mark.litellm, pytest.mark.filterwarnings("default")]  # its warnings are its own

SCRIPT = fork_join_script(20, thread_tokens=(8, 5, 7))
BEGUN = " Six times seven"


def through(asked: ScriptedServer, model: str = "openai/scripted", **more: Any) -> LiteLLMBackend:
    given = {"retries": policy(0), "timeouts": Timeouts(first=10, idle=10), "api_key": "sk-secret"} | more
    return LiteLLMBackend(model, base_url=asked.base_url, **given)


async def ask(asked: ScriptedServer, request: CompletionRequest | None = None, **more: Any) -> Got:
    return await collect(through(asked, **more), request or asking_in_chat())


async def test_a_question_is_answered() -> None:
    async with chat_server(Behaviour(cached_tokens=3)) as asked:
        got = await ask(
            asked, asking_in_chat(stop=("##",), max_tokens=50, sampling=Sampling(seed=3, top_k=2))
        )
    assert (got.error, got.text, got.finish) == (None, " " + WORDS, ["stop"])
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.cached_prompt_tokens) == (5, 5, 3)
    body = asked.completions[0].body
    assert (body["stop"], body["max_tokens"], body["seed"], body["top_k"]) == (["##"], 50, 3, 2)


@pytest.mark.parametrize(
    ("model", "chat"),
    [
        ("openai/scripted", Chat()),
        ("openai/scripted", Chat(repeats="all")),
        ("deepseek/scripted", Chat(prefill="prefix")),
        ("mistral/scripted", Chat(prefill="prefix", repeats="all")),
        ("groq/scripted", Chat(prefill="last_message")),
        ("hosted_vllm/scripted", Chat(prefill="continue_final_message")),
    ],
)
async def test_a_text_is_continued_as_each_provider_knows(model: str, chat: Chat) -> None:
    async with chat_server(chat=chat) as asked:
        got = await ask(asked, asking_in_chat(prefix=BEGUN), model=model)
    assert (got.error, BEGUN + got.text) == (None, " " + WORDS)


async def test_log_probabilities_come_through() -> None:
    entry = {"token": " Six", "logprob": -0.25, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": " Six"}, "logprobs": {"content": [entry]}}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [{"id": "1", "object": "chat.completion.chunk", "choices": [one]} for one in (choice, end)]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    async with chat_server(Behaviour(body=body)) as asked:
        got = await ask(asked, asking_in_chat(logprobs=2))
    assert (got.error, got.text) == (None, " Six")
    assert [one for chunk in got.chunks for one in chunk.logprobs] == [TokenLogprob(" Six", -0.25)]
    assert asked.completions[0].body["top_logprobs"] == 2


async def test_reasoning_is_kept_apart() -> None:
    async with chat_server(chat=Chat(reasoning="Let me think.")) as asked:
        got = await ask(asked)
    assert got.text == " " + WORDS
    assert "".join(chunk.reasoning for chunk in got.chunks) == "Let me think."


@pytest.mark.parametrize("how", ["ended", "dropped", "mid_event", "error", "error_event", "flat_error"])
@pytest.mark.parametrize(
    ("provider", "chat"), [("openai", Chat()), ("hosted_vllm", Chat(prefill="continue_final_message"))]
)
async def test_a_stream_that_breaks_off_is_no_success(how: Any, provider: str, chat: Chat) -> None:
    async with chat_server(Behaviour(broken_off=how, after=2), chat=chat) as asked:
        got = await ask(asked, model=f"{provider}/scripted")
        assert isinstance(got.error, TruncatedStream)
        assert got.text == " Six times"
        assert got.finish == []
    async with chat_server(Behaviour(broken_off=how, after=2), chat=chat) as asked:
        got = await ask(asked, model=f"{provider}/scripted", retries=policy(1))
        assert (got.error, got.text) == (None, " " + WORDS)


@pytest.mark.parametrize("body", ['{"error": {"message": "lost", "code": 500}}', "<html>no</html>"])
async def test_a_200_without_a_completion_is_no_success(body: str) -> None:
    async with chat_server(Behaviour(body=body)) as asked:
        got = await ask(asked)
    assert isinstance(got.error, TruncatedStream)
    assert (got.text, got.finish) == ("", [])


async def test_counts_that_the_server_did_not_send_are_not_believed() -> None:
    async with chat_server(Behaviour(usage="none")) as asked:
        got = await ask(asked)
    assert (got.error, got.usage) == (None, None)


async def test_a_model_may_repeat_itself() -> None:
    async with ScriptedServer(lambda _: " word" * 250, chat=Chat()) as asked:
        got = await ask(asked)
    assert (got.error, got.text) == (None, " word" * 250)


async def test_errors_are_typed_and_hold_no_key() -> None:
    async with chat_server(
        Behaviour(status=429, headers={"retry-after": "7"}),
        Behaviour(status=401, body='{"error": {"message": "wrong key: sk-secret"}}'),
    ) as asked:
        error = (await ask(asked)).error
        assert isinstance(error, APIStatusError)
        assert (error.status, error.retry_after, error.retryable) == (429, 7.0, True)
        error = (await ask(asked)).error
        assert isinstance(error, APIStatusError)
        assert (error.status, error.retryable) == (401, False)
        assert "sk-secret" not in f"{error}{error.__cause__}{through(asked)!r}"
        nobody = through(asked)
    got = await collect(nobody, asking_in_chat())
    assert isinstance(got.error, ConnectionFailed)


async def test_there_is_one_retry_layer() -> None:
    async with chat_server(*[Behaviour(status=500)] * 5) as asked:
        got = await ask(asked, retries=policy(2))
    assert got.error is not None
    assert len(asked.completions) == 3


async def test_silence_has_an_end() -> None:
    async with chat_server(Behaviour(broken_off="hung", after=1)) as asked:
        got = await ask(asked, timeouts=Timeouts(first=5, idle=0.2))
        assert isinstance(got.error, IdleTimeout)
        await asked.until_idle()


async def test_a_refused_field_is_left_out_and_remembered() -> None:
    async with chat_server(refuses=("stop",)) as asked:
        backend = through(asked)
        for _ in range(2):
            assert (await collect(backend, asking_in_chat(stop=("a",)))).text == " " + WORDS
    assert ["stop" in request.body for request in asked.completions] == [True, False, False]


async def test_closing_a_stream_aborts_the_request() -> None:
    async with ScriptedServer(lambda _: " one two" * 1000, pace=0.01, chat=Chat()) as asked:
        async with aclosing(through(asked).stream(asking_in_chat())) as chunks:
            assert (await anext(chunks)).sent
            assert (await anext(chunks)).text
        await asked.until_idle()
        assert asked.aborted == 1


async def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    async with chat_server(Behaviour(status=500)) as asked:
        await ask(asked)
    assert capfd.readouterr().out == ""


async def test_runs_have_the_same_events_as_over_completions() -> None:
    async def solve_all(**given: Any) -> list[tuple[str, list[str]]]:
        told = []
        async with ParallelReasoner(dialect="threadweaver", **given) as reasoner:
            for trajectory in SCRIPT.trajectories:
                events: list[Event] = []
                result = await reasoner.solve(trajectory.problem, on_event=events.append)
                assert result.well_formed
                assert result.text == SCRIPT.text(trajectory.problem)
                told.append((str(result.answer), sorted(event.kind for event in events)))
        return told

    async with ScriptedServer(SCRIPT, chat=Chat()) as server:
        over_completions = await solve_all(base_url=server.base_url, template="raw")
        assert await solve_all(backend=through(server)) == over_completions


async def test_a_host_that_takes_few_requests_at_once_serves_them_all() -> None:
    def behave(_: Received) -> Behaviour | None:
        return Behaviour(status=429) if asked.running > 2 else None

    asked = ScriptedServer(model, behave=behave, chat=Chat(only=True), pace=0.005)
    async with asked:
        backend = through(asked, retries=policy(2))
        got = await asyncio.gather(*(collect(backend, asking_in_chat()) for _ in range(8)))
    assert [one.text for one in got] == [" " + WORDS] * 8


async def test_the_result_says_that_its_ends_are_not_sure() -> None:
    async with ScriptedServer(SCRIPT, chat=Chat()) as server:
        reasoner = ParallelReasoner(backend=through(server), dialect="threadweaver")
        result = await reasoner.solve(SCRIPT.trajectories[0].problem)
    assert not result.reliable_finish


def test_what_it_says_of_itself() -> None:
    backend = LiteLLMBackend("hosted_vllm/m", capabilities=Capabilities(server="vllm"))
    assert isinstance(backend, Backend)
    assert (backend.capabilities.api, backend.capabilities.reliable_finish) == ("chat", False)
    assert LiteLLMBackend("anthropic/m").capabilities.prefill == "ask"
