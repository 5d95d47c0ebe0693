"""How much a server gains from decoding side by side: tokens a second of one stream and of several."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import openai

from benchmarks.answers.chat import say

_PROMPT = "Count from one to one hundred in words, and then go on. List number {number}."


async def side_by_side_speeds(
    client: openai.AsyncOpenAI, model: str, counts: Sequence[int], *, rounds: int = 2
) -> dict[str, float]:
    """Return the tokens a second by the number of streams: the best of several rounds, taken by turns.

    A first request is thrown away: it may wait for what the server builds only then.
    """
    await tokens_per_second(client, model, streams=1, tokens=4)
    best = dict.fromkeys(map(str, counts), 0.0)
    for _ in range(rounds):
        for count in counts:
            speed = await tokens_per_second(client, model, streams=count)
            best[str(count)] = max(best[str(count)], round(speed, 2))
    return best


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
