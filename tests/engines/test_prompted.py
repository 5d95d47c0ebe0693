"""The markup by example and by grammar, on a model that never learned it."""

from __future__ import annotations

import pytest

from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.options import Sampling
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.runtime.run import Run
from weaver_sdk.strategies.prompted import PromptedStrategy
from weaver_sdk.strategies.strategy import program_of


@pytest.mark.parametrize(
    "question", ["What is the capital of France and the capital of Italy?", "Compute 6*11 + 6*5"]
)
async def test_a_whole_run_on_an_untrained_model(engine: LlamaServer, question: str) -> None:
    backend = LlamaBackend(engine.url, model=engine.model_name, slots=engine.slots)
    strategy = PromptedStrategy()
    config = RunConfig(
        run_id="run",
        messages=({"role": "user", "content": question},),
        program=program_of(strategy),
        models={"main": Model(backend=backend, render=strategy.prompt)},
        sampling=Sampling(temperature=0),
    )
    result = await Run(config).execute()
    await backend.aclose()
    assert result.finish == "stop"
    assert result.well_formed
    assert result.telemetry.threads >= 2
    assert result.answer
    if "capital" in question:
        assert "Paris" in result.text  # each thread knows its part; so small a model joins them badly
        assert "Rome" in result.text
