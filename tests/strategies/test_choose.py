"""Which strategy is taken, and what the model then sees."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from weaver_sdk import (
    THREADWEAVER,
    Budget,
    Capabilities,
    CompletionRequest,
    ConfigurationError,
    ParallelReasoner,
    PlannedStrategy,
    PromptedStrategy,
    Result,
)
from weaver_sdk.markup import DIALECTS, MULTIVERSE, is_well_formed
from weaver_sdk.strategies.bare import Bare
from weaver_sdk.strategies.choose import choose, fitted
from weaver_sdk.strategies.worked import EXAMPLES
from weaver_sdk.testing import ScriptedBackend

ANY = Capabilities()
GRAMMAR = Capabilities(server="llama.cpp", grammar=True)


def named(model: str, capabilities: Capabilities = ANY) -> ScriptedBackend:
    return ScriptedBackend([], model=model, capabilities=capabilities)


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("weaver-nano", "threadweaver"),
        ("/models/ThreadWeaver-8B", "threadweaver"),
        ("Multiverse4FM/Multiverse-32B", "multiverse"),
        ("bigai-NPR/NPR-4B", "npr"),
        ("threadweaver-scripted", "threadweaver"),
    ],
)
def test_a_model_known_to_be_trained_is_taken_as_it_is(model: str, dialect: str) -> None:
    chosen = choose("auto", None, named(model, GRAMMAR), has_template=True)
    assert chosen.name == "native"
    assert chosen.dialect is DIALECTS[dialect]


def test_a_dialect_that_is_given_says_that_the_model_was_trained_on_it() -> None:
    chosen = choose("auto", MULTIVERSE, named("my-model"), has_template=True)
    assert (chosen.name, chosen.dialect) == ("native", MULTIVERSE)
    assert "multiverse" in chosen.why


def test_a_model_that_has_the_tags_in_its_vocabulary_was_trained_on_them() -> None:
    backend = named("my-model", GRAMMAR)
    chosen = choose("auto", None, backend, has_template=True, in_vocabulary=MULTIVERSE)
    assert (chosen.name, chosen.dialect) == ("native", MULTIVERSE)


@pytest.mark.parametrize("able", [ANY, GRAMMAR])
def test_an_untrained_model_plans_whatever_its_server_can_do(able: Capabilities) -> None:
    assert choose("auto", None, named("qwen3-8b", able), has_template=True).name == "planned"


def test_a_server_that_gains_nothing_is_asked_the_bare_question() -> None:
    chosen = choose("auto", None, named("qwen3-8b"), has_template=True)
    bare = fitted(chosen, 1.1)
    assert isinstance(bare.strategy, Bare)
    assert "gains nothing" in bare.why
    assert fitted(chosen, None) is chosen
    slow = fitted(chosen, 2.0).strategy
    assert isinstance(slow, PlannedStrategy)
    assert slow.side_by_side == 2.0


async def test_the_result_says_that_the_server_gains_nothing() -> None:
    backend = named_backend("qwen3-8b", lambda _: "Five.")
    program = fitted(choose("auto", None, backend, has_template=True), 1.0).strategy
    result = await solved(backend, strategy=program)
    assert result.answer == "Five."
    assert result.no_fork_reason == "server_gains_nothing"
    assert result.telemetry.requests == 1


def test_a_model_that_cannot_chat_is_prompted_with_raw_text() -> None:
    chosen = choose("auto", None, named("some-base-model"), has_template=False)
    assert isinstance(chosen.strategy, PromptedStrategy)
    assert chosen.strategy.shown == "raw"


def test_part_of_a_word_is_no_name() -> None:
    assert choose("auto", None, named("synpress-7b"), has_template=True).name == "planned"


def test_a_dialect_can_be_taught() -> None:
    taught = choose("prompted", MULTIVERSE, named("m"), has_template=True).strategy
    assert isinstance(taught, PromptedStrategy)
    assert taught.dialect.outlines == MULTIVERSE.outlines
    assert "{outline}" in taught.dialect.seed


async def test_the_choice_is_told_in_the_result_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "weaver_sdk"):
        result = await solved(named_backend("gpt-5-mini", planner), template="chatml")
    assert result.strategy == "planned"
    assert "strategy planned: the model is not known to be trained" in caplog.text


async def test_a_planned_run_renders_each_question_with_the_models_template() -> None:
    backend = named_backend("gpt-5-mini", planner)
    result = await solved(backend, template="chatml")
    assert result.answer == "## A\n\n2\n\n## B\n\n3"
    assert result.well_formed
    assert len(backend.requests) == 3
    for request in backend.requests:
        assert request.prompt.text.startswith("<|im_start|>")
        assert request.prompt.text.endswith("<|im_end|>\n<|im_start|>assistant\n")


async def test_a_prompted_run_shows_the_examples_as_turns_and_keeps_to_the_grammar() -> None:
    backend = named_backend("qwen3-8b", prompted, GRAMMAR)
    result = await solved(backend, strategy="prompted")  # the template is known by the model's name
    assert result.text == FORKED
    assert result.strategy == "prompted"
    assert is_well_formed(result.text, PromptedStrategy().dialect)
    first, thread, _, last = backend.requests
    assert first.prompt.messages[0]["role"] == "system"
    assert first.prompt.text.count("<|im_start|>assistant\n<think>") == len(EXAMPLES)
    assert first.prompt.text.endswith("Q?<|im_end|>\n<|im_start|>assistant\n")
    assert [str(request.grammar)[:15] for request in (first, thread, last)] == [
        'root ::= "<thin',
        "root ::= [ \\n] ",
        'root ::= "</Par',
    ]


async def test_an_answer_that_a_budget_cut_goes_on_without_a_grammar() -> None:
    long = "<think>\nOne.\n</think>\n\\boxed{" + "a " * 80
    backend = named_backend("qwen3-8b", lambda request: long.removeprefix(request.prefix), GRAMMAR)
    result = await solved(backend, strategy="prompted", budget=Budget(total_tokens=40, reserve_tokens=10))
    assert result.finish == "budget"
    assert [request.grammar is None for request in backend.requests] == [False, True]


async def test_a_raw_prompt_stops_before_the_next_question() -> None:
    backend = named_backend("some-base-model", prompted)
    result = await solved(backend)
    assert result.text == FORKED
    assert all(request.stop[-1] == "\nQuestion:" for request in backend.requests)
    assert all(request.grammar is None for request in backend.requests)


@pytest.mark.parametrize(
    ("options", "asked"),
    [({"template": "chatml"}, "<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\n"), ({}, "Q?\n")],
    ids=["chat", "raw"],
)
async def test_in_sequential_mode_the_question_is_asked_and_nothing_else(options: Any, asked: str) -> None:
    backend = named_backend("some-base-model", lambda _: "Five.", GRAMMAR)
    result = await solved(backend, mode="sequential", strategy="prompted", **options)
    [request] = backend.requests
    assert request.prompt.text == asked
    assert request.grammar is None
    assert result.answer == "Five."


async def test_a_strategy_of_ones_own_is_taken() -> None:
    backend = named_backend("scripted", planner)
    result = await solved(backend, strategy=PlannedStrategy(max_parts=2), template="chatml")
    assert result.strategy == "planned"
    assert backend.requests[0].json_schema is not None
    assert result.telemetry.threads == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "clever"}, "auto, native, prompted"),
        ({"strategy": 7}, "7 is no strategy"),
        ({"strategy": PromptedStrategy(), "dialect": THREADWEAVER}, "brings its own"),
        ({"strategy": PromptedStrategy(), "template": "chatml"}, "raw"),
        ({"strategy": "planned", "dialect": "threadweaver"}, "writes no markup"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ParallelReasoner(backend=named("m"), **options)


FORKED = (
    "<think>\nTwo parts.\n<Parallel>\n<Outlines>\n<Outline>1: A</Outline>\n<Outline>2: B</Outline>\n"
    "</Outlines>\n<Thread>\n1: A: 2\n"
    "</Thread><Thread>\n2: B: 3\n</Thread>\n</Parallel>\n2 + 3 = 5\n</think>\n\\boxed{5}"
)


def planner(request: CompletionRequest) -> str:
    """A chat model that plans."""
    if request.json_schema is not None:
        return '{"parts": ["A", "B"]}'
    return "2" if "part 1 alone" in request.prompt.messages[-1]["content"] else "3"


def prompted(request: CompletionRequest) -> str:
    """A model that writes on in the form it was shown."""
    return FORKED.removeprefix(request.prefix) if not request.prefix.endswith("B:") else " 3\n</Thread>"


def named_backend(model: str, answers: Any, capabilities: Capabilities = ANY) -> ScriptedBackend:
    return ScriptedBackend(answers, model=model, capabilities=capabilities)


async def solved(backend: ScriptedBackend, mode: Any = "parallel", **options: Any) -> Result:
    return await ParallelReasoner(backend=backend, **options).solve("Q?", mode=mode)


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("strategy", ["native", "planned"])
async def test_a_result_says_whether_the_ends_of_its_texts_are_sure(strategy: Any, reliable: bool) -> None:
    known = Capabilities(reliable_finish=reliable)
    backend = ScriptedBackend(lambda _: "\\boxed{4}", capabilities=known)
    async with ParallelReasoner(backend=backend, template="raw", strategy=strategy) as reasoner:
        result = await reasoner.solve("What is 2+2?")
    assert result.reliable_finish is reliable
    assert result.to_dict()["reliable_finish"] is reliable
