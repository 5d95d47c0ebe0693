"""One chat completion by `openai` alone, streamed, with what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai


@dataclass(frozen=True)
class Said:
    """What a model said to one prompt."""

    text: str
    tokens: int
    """As the server counts them."""
    finish: str
    """"stop" or "length"."""


async def say(
    client: openai.AsyncOpenAI,
    model: str,
    prompt: str,
    *,
    max_tokens: int,
    schema: dict[str, Any] | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Said:
    """Ask one question, greedily.

    Raises:
        openai.OpenAIError: the request failed.
    """
    more: dict[str, Any] = {}
    if schema is not None:
        shape = {"name": "outline", "schema": schema}
        more["response_format"] = {"type": "json_schema", "json_schema": shape}
    text, tokens, finish = "", 0, ""
    stream = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=max_tokens,
        temperature=0.0,
        stream=True,
        stream_options={"include_usage": True},
        **more,
    )
    async for chunk in stream:
        if chunk.usage is not None:
            tokens = chunk.usage.completion_tokens
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            if new := choice.delta.content:
                text += new
                if on_text is not None:
                    on_text(new)
    return Said(text, tokens, finish)
