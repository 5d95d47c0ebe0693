"""The markup by example and by grammar, on a model that never learned it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from weaver_sdk.backends.base import Prompt
from weaver_sdk.backends.llama import LlamaBackend
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup.prompted import PROMPTED, PromptedStrategy, answer_grammar, outline_grammar
from weaver_sdk.markup.well_formed import check_well_formed
from weaver_sdk.options import Budget, Sampling
from weaver_sdk.runtime.plan import Plan
from weaver_sdk.runtime.run import Run


def test_every_example_is_well_formed() -> None:
    for example in PROMPTED.examples:
        check_well_formed(example.trajectory(PROMPTED.dialect), PROMPTED.dialect)


def test_the_prompt_ends_with_the_question() -> None:
    prompt = PROMPTED.prompt(
        [
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "\\boxed{1}"},
            {"role": "user", "content": "Second?"},
        ]
    )
    assert prompt.endswith("\n\nQuestion: First?\n\\boxed{1}\n\nQuestion: Second?\n")
    assert prompt.startswith("Question: ")


def test_grammars_follow_the_dialect() -> None:
    bare = replace(PROMPTED.dialect, block=None, outlines=("<Plan>", "</Plan>"))
    assert "<Parallel>" not in outline_grammar(bare, 2)
    assert "outline-3" not in outline_grammar(bare, 2)
    assert '"</Plan>"' in outline_grammar(bare, 2)
    assert "</Parallel>" not in answer_grammar(bare)
    assert "</Parallel>" not in answer_grammar(replace(PROMPTED.dialect, block_closed_by="client"))


def test_a_fork_has_two_threads_at_least() -> None:
    with pytest.raises(ConfigurationError, match="max_threads=1"):
        PromptedStrategy(dialect=PROMPTED.dialect, examples=(), max_threads=1)


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
