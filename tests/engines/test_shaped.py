"""Runs of a set shape, on a real engine."""

import pytest

from weaver_sdk import LlamaServer, ParallelReasoner, Sampling
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.options import PrefixForm
from weaver_sdk.testing import Shape, ShapedBackend


@pytest.mark.parametrize("prefix", ["text", "tokens"])
async def test_a_real_engine_runs_in_a_shape_too(quick_engine: LlamaServer, prefix: PrefixForm) -> None:
    backend = LlamaBackend(quick_engine.url, model=quick_engine.model_name, slots=quick_engine.slots)
    shape = Shape(opening=40, threads=(30, 60), answer=20)
    shaped = ShapedBackend(backend, shape)
    async with ParallelReasoner(
        backend=shaped, strategy="native", prefix=prefix, sampling=Sampling(temperature=0.0)
    ) as reasoner:
        result = await reasoner.solve("Compute 47*86 + 93*12 + 58*31")
    assert result.telemetry.total_tokens == shape.total
    assert result.telemetry.threads == 2
    assert result.telemetry.fork_prefill_tokens is not None
    assert result.telemetry.fork_prefill_tokens <= 2 * 8  # the seeds, and what a slot computes anew
    await backend.aclose()
