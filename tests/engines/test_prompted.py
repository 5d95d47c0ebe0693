"""The markup by example and by grammar, on a model that never learned it."""

from __future__ import annotations

import asyncio

import pytest

from weaver_sdk.backends.base import Prompt
from weaver_sdk.backends.llama import LlamaBackend
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.markup.prompted import PROMPTED
from weaver_sdk.options import Budget, Sampling
from weaver_sdk.runtime.plan import Plan
from weaver_sdk.runtime.run import Run


@pytest.mark.parametrize(
    "question", ["What is the capital of France and the capital of Italy?", "Compute 6*11 + 6*5"]
)
async def test_a_whole_run_on_an_untrained_model(engine: LlamaServer, question: str) -> None:
    backend = LlamaBackend(engine.url, model=engine.model_name, slots=engine.slots)
    plan = Plan(
        run_id="run",
        problem=question,
        prompt=Prompt(text=PROMPTED.prompt([{"role": "user", "content": question}])),
        dialect=PROMPTED.dialect,
        mode="parallel",
        sampling=Sampling(temperature=0),
        budget=Budget(),
        grammar_for=PROMPTED.grammar_for,
    )
    result = await Run(plan, backend, asyncio.Semaphore(8)).execute()
    await backend.aclose()
    assert result.finish == "stop"
    assert result.well_formed
    assert result.telemetry.threads >= 2
    assert result.answer
    if "capital" in question:
        assert "Paris" in result.answer
        assert "Rome" in result.answer
