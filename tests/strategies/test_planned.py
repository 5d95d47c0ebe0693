"""The planned way: a plan, parts that are written at once, one answer out of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.runtime.play import kinds, new_run, run_program, threads
from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest
from weaver_sdk.errors import APIStatusError, BackendError, ConfigurationError
from weaver_sdk.options import Budget
from weaver_sdk.result import Result
from weaver_sdk.strategies.plan import Part, Plan
from weaver_sdk.strategies.planned import PlannedStrategy, pays
from weaver_sdk.testing import Reply, ScriptedBackend

QUESTION = "Compare tea and coffee."
PLAN = Plan((Part("Tea", "taste", "section"), Part("Coffee", "taste", "section")), "sections")
ANSWER = "## Tea\n\nIt is mild.\n\n## Coffee\n\nIt is strong."
BARE = "Sure, here is a comparison:\n\nTea is mild, coffee is strong."
OPENING = "Sure, here is a comparison:"


def said(request: CompletionRequest) -> str:
    """What kind of question a request is."""
    last = request.prompt.messages[-1]["content"]
    if request.json_schema is not None and "parts" in request.json_schema.get("properties", {}):
        return "plan"
    for number, part in enumerate(PLAN.parts, 1):
        if f"part {number} alone" in last or f"element {number} of" in last:
            return part.title
    return "closing" if "conclusion alone" in last else "bare"


def model(plan: Plan | str = PLAN, **changes: str | Reply) -> Callable[[CompletionRequest], str | Reply]:
    """A chat model that answers the questions of a planned run; `changes` replace its answers."""
    usual: dict[str, str | Reply] = {
        "plan": plan if isinstance(plan, str) else plan.as_json(),
        "Tea": "It is mild.",
        "Coffee": "It is strong.",
        "closing": "Take what you like.",
        "bare": BARE,
    }
    answers = usual | changes
    return lambda request: answers[said(request)]


async def play(answers: Any, strategy: PlannedStrategy | None = None, **options: Any) -> Result:
    return await run_program(strategy or PlannedStrategy(), answers, problem=QUESTION, **options)


async def test_the_answer_is_the_parts_under_their_headings() -> None:
    result = await play(model())
    assert result.answer == result.text == ANSWER
    assert result.well_formed
    assert result.repairs == []
    assert result.strategy == "planned"
    assert [thread.outline for thread in threads(result)] == ["Tea", "Coffee"]


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("numbered", "1. **Tea**: It is mild.\n\n2. **Coffee**: It is strong."),
        ("bullets", "- **Tea**: It is mild.\n\n- **Coffee**: It is strong."),
        ("texts", "It is mild.\n\nIt is strong."),
    ],
)
async def test_parts_stand_together_as_the_plan_says(form: Any, answer: str) -> None:
    result = await play(model(replace(PLAN, form=form)))
    assert result.answer == answer


async def test_an_array_is_valid_json_whatever_stands_around_its_elements() -> None:
    fenced = {"Tea": '```json\n{"name": "Tea"}\n```', "Coffee": '{"name": "Coffee"} That is all.'}
    answers = model(replace(PLAN, form="json"), **fenced)
    result = await run_program(PlannedStrategy(), answers, problem="A JSON array of two drinks.")
    assert result.answer is not None
    assert json.loads(result.answer) == [{"name": "Tea"}, {"name": "Coffee"}]
    unasked = await play(model(replace(PLAN, form="json")))
    assert unasked.answer == ANSWER


async def test_a_closing_comes_after_the_parts_and_never_instead_of_them() -> None:
    result = await play(model(replace(PLAN, then="combine")))
    assert result.answer == f"{ANSWER}\n\nTake what you like."
    assert result.telemetry.requests == 4


async def test_all_parts_begin_with_the_question_and_the_plan() -> None:
    backend = ScriptedBackend(model())
    await play(backend)
    parts = [request for request in backend.requests if request.shared]
    assert len(parts) == 2
    for request in parts:
        assert request.shared is not None
        assert request.prompt.text.startswith(request.shared.text)
        assert request.shared.text.startswith(QUESTION)
        assert "- Coffee (taste)" in request.shared.text


async def test_parts_stand_in_the_answer_in_order_while_they_are_written() -> None:
    seen: list[str] = []

    def note(event: Any) -> None:
        if event.kind == "segment_delta" and event.phase == "answer" and event.kept:
            seen.append(event.text)

    result = await play(model(Tea="It is mild. " * 5), listeners=(note,))
    assert "".join(seen) == result.answer
    assert seen[0] == "## Tea\n\n"
    assert len(seen) > 6


@pytest.mark.parametrize("plan", ['{"parts": []}', '{"parts": ["all of it"]}', "Tea is mild."])
async def test_without_parts_the_answer_is_the_bare_one(plan: str) -> None:
    result = await play(model(plan))
    assert result.answer == result.text == BARE
    assert result.no_fork_reason == "one_piece"


async def test_parts_that_are_too_short_are_no_fork() -> None:
    short = Plan((Part("Tea", "", "line"), Part("Coffee", "", "line")))
    result = await play(model(short), PlannedStrategy(side_by_side=1.0))
    assert result.no_fork_reason == "too_short"
    assert result.telemetry.forks == 0


def test_a_fork_pays_only_where_it_is_sooner_done() -> None:
    pages = Plan(tuple(Part(title, "", "section") for title in "abcd"))
    assert pays(pages, written=100, side_by_side=4)
    assert not pays(pages, written=100, side_by_side=1)
    assert not pays(pages, written=600, side_by_side=4)
    lines = Plan(tuple(Part(title, "", "line") for title in "abcd"))
    assert not pays(lines, written=130, side_by_side=4)


async def test_the_bare_answer_beside_the_plan_loses_no_time_and_is_asked_once() -> None:
    backend = ScriptedBackend(model('{"parts": []}'))
    result = await play(backend, metered=False)
    assert sorted(said(request) for request in backend.requests) == ["bare", "plan"]
    assert result.answer == BARE
    assert result.telemetry.critical_path_tokens < result.telemetry.total_tokens
    assert result.telemetry.dropped_tokens == 0


async def test_the_bare_answer_is_dropped_for_a_fork_and_its_opening_stays() -> None:
    backend = ScriptedBackend(model(bare=Reply(BARE, hangs=True)))
    result = await play(backend, metered=False)
    assert result.answer == f"{OPENING}\n\n{ANSWER}"
    assert backend.aborted == 1
    assert result.telemetry.dropped_tokens > 0


async def test_a_bare_answer_that_begins_with_its_first_part_is_dropped_whole() -> None:
    backend = ScriptedBackend(model(bare=Reply("Tea is mild.\nCoffee …", hangs=True)))
    result = await play(backend, metered=False)
    assert result.answer == ANSWER


async def test_a_bare_answer_that_is_whole_before_the_plan_is_taken() -> None:
    result = await play(model(bare="Yes."), metered=False)
    assert result.answer == "Yes."
    assert result.no_fork_reason == "too_short"


async def test_where_tokens_cost_money_nothing_is_asked_on_the_chance() -> None:
    backend = ScriptedBackend(model())
    await play(backend)
    assert [said(request) for request in backend.requests] == ["plan", "Tea", "Coffee"]
    hedged = ScriptedBackend(model())
    await play(hedged, PlannedStrategy(hedge=True))
    assert "bare" in [said(request) for request in hedged.requests]


async def test_a_part_that_fails_is_told_and_the_others_stand() -> None:
    failing = Reply(error=APIStatusError("broken", status=500))
    result = await play(model(Coffee=failing))
    assert kinds(result) == ["thread_failed"]
    assert result.answer == "## Tea\n\nIt is mild."


async def test_where_no_part_can_be_had_the_question_is_asked_as_it_stands() -> None:
    failing = Reply(error=APIStatusError("broken", status=500), times=None)
    result = await play(model(Tea=failing, Coffee=failing))
    assert result.answer == BARE
    assert kinds(result) == ["thread_failed", "thread_failed"]
    with pytest.raises(BackendError):
        await play(model(Tea=failing, Coffee=failing, bare=failing))


async def test_a_part_that_is_cut_never_passes_as_whole() -> None:
    result = await play(model(Coffee="It is " + "very " * 50), budget=Budget(thread_tokens=5))
    assert [thread.outcome for thread in threads(result)] == ["done", "length"]
    assert kinds(result) == ["thread_cut_by_length"]


async def test_an_open_code_block_is_closed_where_a_limit_cuts_it() -> None:
    result = await play(model(Tea="```python\n" + "a = 1\n" * 2000))
    assert threads(result)[0].outcome == "length"
    assert "\n```\n\n## Coffee" in (result.answer or "")


async def test_what_was_written_stays_where_the_budget_ends_the_run() -> None:
    long = "word " * 200
    result = await play(model(Tea=long, Coffee=long), budget=Budget(total_tokens=140, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.answer is not None
    assert result.answer.startswith("## Tea\n\nword word")
    assert "## Coffee\n\nword word" in result.answer
    assert result.telemetry.total_tokens <= 140 + 2


async def test_a_bare_answer_goes_on_within_the_reserve() -> None:
    result = await play(model('{"parts": []}', bare="word " * 500), budget=Budget(total_tokens=100))
    assert result.finish == "budget"
    assert len((result.answer or "").split()) > 80


@pytest.mark.parametrize("budget", [Budget(max_depth=0), Budget(max_forks=0)])
async def test_where_no_fork_is_allowed_no_plan_is_asked_for(budget: Budget) -> None:
    backend = ScriptedBackend(model())
    result = await play(backend, budget=budget)
    assert [said(request) for request in backend.requests] == ["bare"]
    assert result.answer == BARE


async def test_sequential_mode_is_the_bare_question() -> None:
    backend = ScriptedBackend(model())
    result = await play(backend, mode="sequential")
    assert result.text == result.answer == BARE
    assert backend.requests[0].prompt.messages == ({"role": "user", "content": QUESTION},)
    assert result.no_fork_reason == "sequential_mode"


async def test_the_plan_has_no_more_parts_than_threads_are_allowed() -> None:
    backend = ScriptedBackend(model())
    await play(backend, budget=Budget(max_threads=2))
    schema: Any = backend.requests[0].json_schema
    assert schema["properties"]["parts"]["maxItems"] == 2


async def test_cancelling_ends_every_question_and_keeps_the_text() -> None:
    backend = ScriptedBackend(model(Tea=Reply("It", hangs=True), Coffee=Reply("It", hangs=True)))
    run = new_run(backend, strategy=PlannedStrategy(), problem=QUESTION)
    task = asyncio.create_task(run.execute())
    while backend.running < 2:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (backend.running, backend.aborted) == (0, 2)
    assert run.result().answer == "## Tea\n\nIt\n\n## Coffee\n\nIt"


async def test_a_question_is_closed_at_once_where_a_limit_cuts_it() -> None:
    class Unlimited(ScriptedBackend):
        """A server that overlooks `max_tokens`."""

        def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
            return super().stream(replace(request, max_tokens=None))

    backend = Unlimited(model('{"parts": []}', bare=Reply("a " * 500, stops="ignore")))
    result = await play(backend, budget=Budget(total_tokens=60, on_exhausted="stop"))
    assert result.finish == "budget"
    assert backend.running == 0


async def test_what_ended_a_text_is_always_known() -> None:
    silent = ScriptedBackend(model(), capabilities=Capabilities(server="unknown"))
    result = await play(silent)
    assert result.answer == ANSWER
    assert result.repairs == []


def test_limits_that_allow_no_plan_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="2 or more"):
        PlannedStrategy(max_parts=1)
    with pytest.raises(ConfigurationError, match="plan_tokens=0"):
        PlannedStrategy(plan_tokens=0)


def test_a_native_run_says_so() -> None:
    assert new_run(ScriptedBackend([])).result().strategy == "native"


async def test_a_server_that_can_only_be_asked_gets_each_part_as_a_question_of_its_own() -> None:
    able = Capabilities(server="openai", api="chat", prefill="ask")
    answers = model(Tea="## Tea\n\nIt is mild.", bare=Reply(BARE, hangs=True))
    backend = ScriptedBackend(answers, capabilities=able)
    result = await play(backend, metered=False)
    assert result.answer == f"{OPENING}\n\n{ANSWER}"
    assert all(request.prefix == "" for request in backend.requests)
