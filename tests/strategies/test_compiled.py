"""Grammars are compiled when a reasoner opens, where the server compiles them at all."""

from __future__ import annotations

import logging

import pytest

from weaver_sdk import ParallelReasoner
from weaver_sdk.backends.base import Capabilities, ServerKind
from weaver_sdk.options import Budget
from weaver_sdk.strategies.prompted import PromptedStrategy
from weaver_sdk.strategies.strategy import Strategy
from weaver_sdk.testing import ScriptedBackend


async def opened(
    server: ServerKind, *, grammar: bool = True, strategy: Strategy | str = "prompted"
) -> ScriptedBackend:
    backend = ScriptedBackend(lambda _: "x", capabilities=Capabilities(server=server, grammar=grammar))
    budget = Budget(max_threads=4)
    async with ParallelReasoner(backend=backend, template="raw", strategy=strategy, budget=budget):
        return backend


@pytest.mark.parametrize("server", ["vllm", "sglang"])
async def test_one_token_is_asked_for_under_each_grammar_of_a_run(
    server: ServerKind, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "weaver_sdk"):
        backend = await opened(server)
    able = backend.capabilities
    assert [request.grammar for request in backend.requests] == [*PromptedStrategy().grammars(able, 4)]
    assert [request.max_tokens for request in backend.requests] == [1, 1, 1]
    assert any("3 grammars compiled" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("server", ["llama.cpp", "openai", "unknown"])
async def test_nothing_is_asked_of_a_server_that_compiles_nothing(server: ServerKind) -> None:
    assert (await opened(server)).requests == []


async def test_nothing_is_asked_of_a_server_that_takes_no_grammar() -> None:
    assert (await opened("vllm", grammar=False)).requests == []


async def test_nothing_is_asked_for_a_strategy_without_grammars() -> None:
    assert (await opened("vllm", strategy="planned")).requests == []
