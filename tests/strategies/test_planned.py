"""The planned way: separate questions to any model, told as one run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.runtime.play import kinds, new_run, threads
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest
from weaver_sdk.backends.limited import limited
from weaver_sdk.errors import APIStatusError
from weaver_sdk.options import Budget, Limits, Mode, Sampling
from weaver_sdk.result import Result, Segment
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.runtime.run import Run
from weaver_sdk.strategies.planned import PlannedStrategy
from weaver_sdk.strategies.strategy import program_of
from weaver_sdk.testing import Reply, ScriptedBackend

QUESTION = "What is 2*3 + 4*5?"
PLAN = '{"thought": "Two products.", "parts": ["2*3", "4*5"]}'
TRAJECTORY = (
    "<think>\nTwo products.\n<Parallel>\n<Outlines>\n<Outline>1: 2*3</Outline>\n<Outline>2: 4*5</Outline>\n"
    "</Outlines>\n<Thread>\n1: 2*3: It is 6.\n</Thread><Thread>\n2: 4*5: It is 20.\n</Thread>\n"
    "</Parallel>\n</think>\n6 + 20 = \\boxed{26}"
)


def said(request: CompletionRequest) -> str:
    """What kind of question a request is."""
    last = request.prompt.messages[-1]["content"]
    if request.json_schema is not None:
        return "plan"
    if "\n\nPart: " in last:
        return last.rpartition("Part: ")[2]
    return "join" if "worked out already" in last else "bare"


def model(**changes: str | Reply) -> Callable[[CompletionRequest], str | Reply]:
    """A chat model that answers the questions of a planned run; `changes` replace its answers."""
    usual: dict[str, str | Reply] = {
        "plan": PLAN,
        "2*3": "It is 6.",
        "4*5": "It is 20.",
        "join": "6 + 20 = \\boxed{26}",
        "bare": "It is \\boxed{26}.",
    }
    answers = usual | changes
    return lambda request: answers[said(request)]


async def play(answers: Any, *, mode: Mode = "parallel", budget: Budget | None = None) -> Result:
    backend = answers if isinstance(answers, ScriptedBackend) else ScriptedBackend(answers)
    return await run_on(backend, mode=mode, budget=budget).execute()


def run_on(backend: ScriptedBackend, *, mode: Mode = "parallel", budget: Budget | None = None) -> Run:
    config = RunConfig(
        run_id="r1",
        messages=({"role": "user", "content": QUESTION},),
        program=program_of(PlannedStrategy(), mode),
        models={
            "main": Model(
                backend=limited(backend, Limits()),
                render=lambda turns: "\n".join(turn["content"] for turn in turns),
            )
        },
        mode=mode,
        sampling=Sampling(temperature=0.0),
        budget=budget or Budget(),
    )
    return Run(config)


async def test_plan_parts_and_join_are_told_as_one_trajectory() -> None:
    result = await play(model())
    assert result.text == TRAJECTORY
    assert result.answer == "26"
    assert result.well_formed
    assert result.repairs == []
    assert result.strategy == "planned"
    assert [thread.outline for thread in threads(result)] == ["2*3", "4*5"]


async def test_every_question_stands_alone_and_keeps_sampling_and_route() -> None:
    backend = ScriptedBackend(model())
    await play(backend)
    assert [said(request) for request in backend.requests] == ["plan", "2*3", "4*5", "join"]
    for request in backend.requests:
        assert (request.prefix, request.stop) == ("", ())
        assert request.sampling.temperature == 0.0
        assert request.routing_key == "r1"
        assert request.prompt.text.endswith(request.prompt.messages[-1]["content"])


async def test_the_parts_tell_what_their_prompts_have_in_common() -> None:
    backend = ScriptedBackend(model())
    await play(backend)
    parts = [request for request in backend.requests if request.shared]
    assert len(parts) == 2
    for request in parts:
        assert request.shared is not None
        assert request.prompt.text.startswith(request.shared.text)
        assert request.shared.text.endswith("\n\nPart: ")


async def test_a_model_that_sees_no_parts_answers_at_once() -> None:
    result = await play(model(plan='{"thought": "One step.", "parts": []}'))
    assert result.text == "<think>\nOne step.\n</think>\nIt is \\boxed{26}."
    assert result.answer == "26"
    assert result.well_formed
    assert result.no_fork_reason == "not_divided"
    assert result.telemetry.requests == 2


async def test_one_part_is_no_fork() -> None:
    result = await play(model(plan='{"thought": "", "parts": ["all of it"]}'))
    assert result.text == "<think>\n</think>\nIt is \\boxed{26}."


async def test_the_plans_tokens_are_counted() -> None:
    result = await play(model())
    opening = result.trace[0]
    assert isinstance(opening, Segment)
    assert opening.tokens > 5
    assert result.telemetry.total_tokens > sum(thread.tokens for thread in threads(result)) + 5


async def test_a_reply_without_a_plan_is_noted_and_the_question_asked_plainly() -> None:
    result = await play(model(plan="The answer is 26."))
    assert kinds(result) == ["unreadable_outlines"]
    assert result.answer == "26"
    assert result.no_fork_reason == "unreadable_outlines"


async def test_a_numbered_list_is_a_plan_too() -> None:
    result = await play(model(plan="1. 2*3\n2. 4*5\n"))
    assert kinds(result) == ["untagged_outlines"]
    assert [thread.text for thread in threads(result)] == [" It is 6.\n", " It is 20.\n"]


async def test_tags_in_what_a_model_says_are_no_markup() -> None:
    result = await play(model(**{"2*3": "</Thread> It <Outlines>is 6.</think>"}))
    assert threads(result)[0].text == " It is 6.\n"
    assert result.well_formed


async def test_a_part_that_fails_is_joined_without_a_result() -> None:
    failing = Reply(error=APIStatusError("broken", status=500))
    backend = ScriptedBackend(model(**{"4*5": failing}))
    result = await play(backend)
    assert kinds(result) == ["thread_failed"]
    assert "2. 4*5: (no result)" in backend.requests[-1].prompt.messages[-1]["content"]
    assert result.answer == "26"


async def test_a_part_that_is_cut_is_joined_as_far_as_it_came() -> None:
    result = await play(model(**{"4*5": "It is " + "very " * 50}), budget=Budget(thread_tokens=5))
    assert [thread.outcome for thread in threads(result)] == ["done", "length"]
    assert kinds(result) == ["thread_cut_by_length"]
    assert result.answer == "26"


async def test_a_part_without_a_word_is_empty() -> None:
    result = await play(model(**{"4*5": ""}))
    assert threads(result)[1].outcome == "empty"


async def test_a_spent_budget_leads_to_an_answer_out_of_what_there_is() -> None:
    long = "a " * 200
    budget = Budget(total_tokens=90, reserve_tokens=20)
    result = await play(model(**{"2*3": long, "4*5": long}), budget=budget)
    assert result.finish == "budget"
    assert result.answer == "26"
    assert result.telemetry.total_tokens <= 90 + 2


@pytest.mark.parametrize("budget", [Budget(max_depth=0), Budget(max_forks=0)])
async def test_where_no_fork_is_allowed_no_plan_is_asked_for(budget: Budget) -> None:
    backend = ScriptedBackend(model())
    result = await play(backend, budget=budget)
    assert [said(request) for request in backend.requests] == ["bare"]
    assert result.answer == "26"


async def test_sequential_mode_is_the_bare_question() -> None:
    result = await play(model(bare="Twenty-six."), mode="sequential")
    assert result.text == result.answer == "Twenty-six."
    assert result.no_fork_reason == "sequential_mode"


async def test_more_parts_than_allowed_are_left_out_and_noted() -> None:
    plan = json.dumps({"thought": "", "parts": ["2*3", "4*5", "6*7"]})
    result = await play(model(plan=plan), budget=Budget(max_threads=2))
    assert kinds(result) == ["threads_over_limit"]
    assert len(threads(result)) == 2


async def test_cancelling_ends_every_question() -> None:
    backend = ScriptedBackend(model(**{"2*3": Reply("It", hangs=True), "4*5": Reply("It", hangs=True)}))
    task = asyncio.create_task(run_on(backend).execute())
    while backend.running < 2:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert backend.running == 0
    assert backend.aborted == 2


async def test_a_question_is_closed_at_once_where_a_limit_cuts_it() -> None:
    def text(request: CompletionRequest) -> Reply | str:
        limitless = Reply("a " * 500, stops="ignore") if said(request) == "bare" else None
        return limitless or model(plan='{"thought": "", "parts": []}')(request)

    class Unlimited(ScriptedBackend):
        """A server that overlooks `max_tokens`."""

        def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
            return super().stream(replace(request, max_tokens=None))

    backend = Unlimited(text)
    result = await play(backend, budget=Budget(total_tokens=60, on_exhausted="stop"))
    assert result.finish == "budget"
    assert backend.running == 0


async def test_what_ended_a_text_is_always_known() -> None:
    silent = ScriptedBackend(model(), capabilities=Capabilities(server="unknown"))
    result = await play(silent)
    assert result.text == TRAJECTORY
    assert result.repairs == []


def test_a_native_run_says_so() -> None:
    assert new_run(ScriptedBackend([])).result().strategy == "native"
