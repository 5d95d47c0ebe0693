"""What a real vLLM 0.32 sent, byte for byte: text that lags a token behind its ids, an error in a 200."""

from pathlib import Path

import pytest

from tests.backends.chatting import asking_in_chat, chat_once, chat_server
from tests.backends.collecting import Got, ask_once, asking, policy, server
from weaver_sdk.backends.base import Usage
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.errors import APIStatusError
from weaver_sdk.testing import Behaviour

RECORDED = Path(__file__).parent / "recorded"


def answer(name: str) -> Behaviour:
    return Behaviour(body=(RECORDED / f"vllm-0.32-{name}.txt").read_bytes())


async def over(endpoint: str, name: str) -> tuple[Got, int]:
    """Ask once over one of the two endpoints; what came, and how often it was asked."""
    if endpoint == "chat":
        async with chat_server(answer(name)) as asked:
            got = await chat_once(asked, asking_in_chat(), KNOWN["vllm"], retries=policy(2))
    else:
        async with server(answer(name)) as asked:
            got = await ask_once(asked, asking(), capabilities=KNOWN["vllm"], retries=policy(2))
    return got, len(asked.completions)


@pytest.mark.parametrize(("endpoint", "prompt_tokens"), [("completions", 14), ("chat", 44)])
async def test_a_whole_answer(endpoint: str, prompt_tokens: int) -> None:
    got, _ = await over(endpoint, endpoint)
    assert (got.error, got.text, got.finish, got.matched) == (None, " 7 8", ["stop"], [" 9"])
    ids = [token for chunk in got.chunks for token in chunk.token_ids]
    assert ids == [216, 39, 216, 40, 216, 41]  # those of the stop string among them
    assert got.usage == Usage(prompt_tokens=prompt_tokens, completion_tokens=6, cached_prompt_tokens=0)


@pytest.mark.parametrize(
    ("endpoint", "text", "tokens", "second"),
    [
        ("completions", "47 47 ", ["4", "7", " ", "4", "7", " "], "8"),
        ("chat", " 80}", [" ", "8", "0", "}", "<|end|>"], "<think>"),
    ],
)
async def test_log_probabilities_come_a_token_before_their_text(
    endpoint: str, text: str, tokens: list[str], second: str
) -> None:
    got, _ = await over(endpoint, f"{endpoint}-logprobs")
    assert (got.error, got.text) == (None, text)
    told = [one for chunk in got.chunks for one in chunk.logprobs]
    assert [one.token for one in told] == tokens
    assert all(one.top[0] == (one.token, one.logprob) and len(one.top) == 2 for one in told)
    assert told[0].top[1][0] == second


@pytest.mark.parametrize("endpoint", ["completions", "chat"])
async def test_a_refusal_in_a_stream_is_final(endpoint: str) -> None:
    got, asked = await over(endpoint, "refused-grammar")
    assert isinstance(got.error, APIStatusError)
    assert (got.error.status, got.error.retryable, asked) == (400, False, 1)
    assert "Invalid grammar" in str(got.error)
