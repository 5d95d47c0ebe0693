"""Whole conversations: what turns hold reaches a chat server, or is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from weaver_sdk import ConfigurationError, ParallelReasoner, Result
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SHOWN = [
    {"role": "user", "content": [{"type": "text", "text": "This is my cat."}, IMAGE]},
    {"role": "assistant", "content": "How nice."},
]
STRATEGIES = ("native", "prompted", "planned")
PLAN = '{"parts": ["A", "B"]}'


def strict(received: Received) -> Behaviour | None:
    """Refuses a system turn that is not the first, as many chat templates do."""
    roles = [message["role"] for message in received.body.get("messages", ())]
    return Behaviour(status=400, body="System message must be first.") if "system" in roles[1:] else None


async def asked(server: ScriptedServer, history: Any, **options: Any) -> Result:
    async with ParallelReasoner("m", base_url=server.base_url, retries=0, **options) as reasoner:
        return await reasoner.solve("What is it called?", history=history)


def model(prompt: str) -> str:
    return PLAN if "Reply with JSON alone" in prompt else "<think>\nx\n</think>\n\\boxed{Tom}"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_strict_chat_server_takes_a_system_prompt(strategy: str) -> None:
    history = [SHOWN[0], {"role": "system", "content": "In French."}, SHOWN[1]]
    async with ScriptedServer(model, behave=strict, chat=Chat(only=True)) as server:
        result = await asked(server, history, strategy=strategy)
    assert (result.answer or "").endswith("\\boxed{Tom}" if strategy == "planned" else "Tom")
    assert len(server.completions) == (3 if strategy == "planned" else 1)
    for received in server.completions:
        first = received.body["messages"][0]
        assert first["role"] == "system"
        assert first["content"].startswith("In French.")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_image_reaches_a_chat_server_as_it_is(strategy: str) -> None:
    async with ScriptedServer(model, chat=Chat(only=True)) as server:
        await asked(server, SHOWN, strategy=strategy)
    for received in server.completions:
        assert [turn for turn in received.body["messages"] if turn in SHOWN] == SHOWN


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("template", ["auto", "raw", "chatml"])
async def test_over_completions_an_image_is_refused_before_anything_is_sent(
    strategy: str, template: str
) -> None:
    async with ScriptedServer(model) as server:
        with pytest.raises(ConfigurationError, match=r'an image .*api="chat"'):
            await asked(server, SHOWN, strategy=strategy, template=template)
    assert server.completions == []
