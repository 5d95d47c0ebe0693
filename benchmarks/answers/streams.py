"""How much a server gains from decoding side by side: tokens a second of one stream and of several."""

from __future__ import annotations

import asyncio
import time

import openai

from benchmarks.answers.chat import say

_PROMPT = "Count from one to one hundred in words, and then go on. List number {number}."


async def tokens_per_second(
    client: openai.AsyncOpenAI, model: str, *, streams: int, tokens: int = 48
) -> float:
    """Return the tokens a second that several streams write together, prompts included.

    Raises:
        openai.OpenAIError: a request failed.
    """
    began = time.perf_counter()
    said = await asyncio.gather(
        *(
            say(client, model, _PROMPT.format(number=number + streams), max_tokens=tokens)
            for number in range(streams)
        )
    )
    return sum(one.tokens for one in said) / (time.perf_counter() - began)
