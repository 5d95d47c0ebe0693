"""Grammars compiled before the first question waits for them."""

from __future__ import annotations

import logging
import time
from contextlib import aclosing
from typing import Protocol, runtime_checkable

from weaver_sdk.backends.base import Backend, Capabilities, CompletionRequest, Grammar, Prompt, ServerKind

_log = logging.getLogger("weaver_sdk")

COMPILING: frozenset[ServerKind] = frozenset({"vllm", "sglang"})
"""Servers that compile a grammar for the model's whole vocabulary; llama.cpp only parses it."""


@runtime_checkable
class HasGrammars(Protocol):
    """A strategy that holds a model to grammars."""

    def grammars(self, capabilities: Capabilities, most_threads: int) -> tuple[Grammar, ...]:
        """Return them all, for a server and for runs of at most so many threads to a fork."""
        ...


async def compile_grammars(strategy: object, backend: Backend, most_threads: int) -> None:
    """Let the server compile the grammars of a strategy: one token is asked for under each.

    Does nothing where there are none, or where the server does not compile them.

    Raises:
        BackendError: the server cannot be reached, or refuses a grammar.
    """
    able = backend.capabilities
    if not isinstance(strategy, HasGrammars) or not able.grammar or able.server not in COMPILING:
        return
    started, grammars = time.monotonic(), strategy.grammars(able, most_threads)
    for grammar in grammars:
        request = CompletionRequest(prompt=_PROMPT, max_tokens=1, grammar=grammar, where="compiling grammars")
        async with aclosing(backend.stream(request)) as chunks:  # type: ignore[type-var]  # a generator
            async for _ in chunks:
                pass
    _log.info("%d grammars compiled by the server in %.1f s", len(grammars), time.monotonic() - started)


_PROMPT = Prompt(text="-", messages=({"role": "user", "content": "-"},))
