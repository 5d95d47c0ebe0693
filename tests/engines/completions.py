"""Asking a `LlamaBackend`, and what comes of it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from weaver_sdk.backends.base import Chunk, CompletionRequest, Prompt, SharedPrefix, Usage
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.options import Sampling

GREEDY = Sampling(temperature=0)
_WORDS = ("the", "cat", "sat", "on", "a", "mat", "while", "seven", "dogs", "ran", "past", "old", "houses")


def story(words: int, seed: int) -> str:
    """Return a text of about so many tokens, the same for the same seed."""
    told = random.Random(seed)
    return f"Story {seed}. " + " ".join(told.choice(_WORDS) for _ in range(words))


def asked(
    text: str,
    *,
    tokens: int | None = 8,
    stop: tuple[str, ...] = (),
    grammar: str | None = None,
    shared: SharedPrefix | None = None,
) -> CompletionRequest:
    return CompletionRequest(
        prompt=Prompt(text=text),
        max_tokens=tokens,
        stop=stop,
        grammar=grammar,
        shared=shared,
        sampling=GREEDY,
    )


@dataclass(frozen=True)
class Completion:
    chunks: list[Chunk]

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def usage(self) -> Usage:
        [usage] = [chunk.usage for chunk in self.chunks if chunk.usage]
        return usage

    @property
    def end(self) -> tuple[str | None, str | None]:
        return self.chunks[-1].finish_reason, self.chunks[-1].matched_stop


async def complete(backend: LlamaBackend, request: CompletionRequest) -> Completion:
    return Completion([chunk async for chunk in backend.stream(request)])


async def fork(
    backend: LlamaBackend, prefix: str, width: int = 4, tokens: int = 8, key: str = "fork"
) -> list[Completion]:
    """Complete what the threads of a fork would ask, all at once."""
    shared = SharedPrefix(key=key, width=width, text=prefix)
    requests = [
        asked(f"{prefix}\n<Thread>\n{number}:", tokens=tokens, shared=shared)
        for number in range(1, width + 1)
    ]
    return await asyncio.gather(*(complete(backend, request) for request in requests))
