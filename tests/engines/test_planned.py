"""Separate questions to a model that never learned to fork, on a real engine."""

from weaver_sdk import Budget, LlamaServer, ParallelReasoner, Sampling
from weaver_sdk.engines.llama.backend import LlamaBackend


async def test_a_schema_holds_the_plan_and_the_run_comes_to_its_answer(engine: LlamaServer) -> None:
    backend = LlamaBackend(engine.url, model=engine.model_name, slots=engine.slots)
    reasoner = ParallelReasoner(
        backend=backend,
        strategy="planned",
        sampling=Sampling(temperature=0.0),
        budget=Budget(total_tokens=240, thread_tokens=32, reserve_tokens=48),
    )
    result = await reasoner.solve("What is the capital of France and the capital of Italy?")
    await backend.aclose()
    assert result.strategy == "planned"
    assert result.well_formed
    assert result.answer
    assert "unreadable_outlines" not in {repair.kind for repair in result.repairs}
    assert (result.telemetry.threads >= 2) == (result.no_fork_reason is None)
