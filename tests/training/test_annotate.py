"""The annotator: a trace becomes a trajectory, or is refused with a reason. Nothing here needs torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.annotate import (
    Refused,
    Teacher,
    Trace,
    annotate,
    annotate_all,
    find_groups,
    find_steps,
)
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.markup import THREADWEAVER
from weaver_sdk.markup.well_formed import check_well_formed
from weaver_sdk.session_config import SessionConfig
from weaver_sdk.testing import Reply, ScriptedBackend

TRACE = Trace(
    problem="Compute 2*3 + 4*5",
    solution="We need two products. 2*3 = 6. Likewise 4*5 = 20. The sum is 26.",
    answer="26",
)
GOOD = {
    "steps": "1. We need two products.\n2. 2*3 = 6.\n3. Likewise 4*5 = 20.\n4. The sum is 26.",
    "groups": "2, 3",
    "edit 2": "2. 2*3 = 6.",
    "edit 3": "4*5 = 20.",
    "outline 6": "Multiply 2 by 3",
    "outline 20": "Multiply 4 by 5",
}


def teacher(**changed: str) -> Teacher:
    answers = GOOD | {name.replace("_", " "): text for name, text in changed.items()}

    def answer(request: CompletionRequest) -> Reply:
        asked = request.text
        if "as a numbered list" in asked:
            name = "steps"
        elif "Write each such group" in asked:
            name = "groups"
        elif "word for word, as a note" in asked:
            name = "edit 3" if "\nLikewise" in asked else "edit 2"
        else:
            name = "outline 20" if "4*5" in asked else "outline 6"
        return Reply(answers[name], times=None)

    return Teacher(ScriptedBackend(answer), lambda messages: messages[-1]["content"])


async def test_a_trace_becomes_a_well_formed_trajectory_with_the_same_steps() -> None:
    text = await annotate(teacher(), TRACE)
    check_well_formed(text, THREADWEAVER)
    assert text == (
        "<think>\nWe need two products.\n<Parallel>\n<Outlines>\n<Outline>1: Multiply 2 by 3</Outline>\n"
        "<Outline>2: Multiply 4 by 5</Outline>\n</Outlines>\n<Thread>\n1: 2*3 = 6.\n</Thread><Thread>\n"
        "2: 4*5 = 20.\n</Thread>\n</Parallel>\nThe sum is 26.\n</think>\n\\boxed{26}"
    )


async def test_a_step_may_take_several_lines_of_the_teachers_list() -> None:
    steps = "1. We need two products.\n2. Multiply:\n   2*3 = 6.\n3. Likewise 4*5 = 20.\n\n4. The sum is 26."
    found = await find_steps(teacher(steps=steps), TRACE)
    assert found == ["We need two products.", "Multiply: 2*3 = 6.", "Likewise 4*5 = 20.", "The sum is 26."]


async def test_the_numbers_of_a_list_are_no_numbers_of_the_trace() -> None:
    listed = Trace("Compute 2*3 + 4*5", "1. 2*3 = 6.\n7. 4*5 = 20.\n8. The sum is 26.", "26")
    found = await find_steps(teacher(steps="1. 2*3 = 6.\n2. 4*5 = 20.\n3. The sum is 26."), listed)
    assert found == ["2*3 = 6.", "4*5 = 20.", "The sum is 26."]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"steps": "I cannot do that."}, "steps: 0 found"),
        (
            {"steps": "1. We need two products.\n2. 2*3 = 6.\n3. The sum is 26."},
            "steps: 20, 4, 5 of the trace",
        ),
        ({"groups": "none"}, "groups: no neighbouring steps"),
        ({"groups": "2, 4"}, "groups: no neighbouring steps"),
        ({"groups": "2, 3\n3, 4"}, "groups: .* once each"),
        ({"groups": "3, 2"}, "groups: .* in order"),
        ({"groups": "4, 5"}, "groups: .* of 1 to 4"),
        ({"edit_3": "4*5 = 21."}, "edits: .*4.5 = 20.* has other numbers"),
        ({"edit_2": "\n \n"}, "answers: the teacher wrote nothing"),
        ({"outline_20": "Work out that 4*5 is 20"}, "outlines: .* gives away 20"),
        ({"outline_6": "Write <Thread> 2*3"}, "filter: "),
        ({"outline_6": "Multiply", "outline_20": "Multiply"}, "filter: two outlines of a block"),
        ({"edit_3": "4*5 = 20. </Thread>"}, "filter: "),
    ],
)
async def test_a_trace_is_refused_with_the_stage_and_the_reason(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await annotate(teacher(**changed), TRACE)


async def test_a_step_that_needs_the_result_of_another_is_not_put_beside_it() -> None:
    steps = ["We need two products.", "2*3 = 6.", "4*5 = 20.", "6 + 20 = 26.", "26 is even.", "20 is, too."]
    proposed = teacher(groups="2, 3, 4, 5, 6")
    assert await find_groups(proposed, TRACE, steps) == [[1, 2], [4, 5]]


async def test_a_step_that_works_out_nothing_is_no_thread_beside_one_that_does() -> None:
    steps = ["The one is 2*3.", "The other is 4*5 = 20.", "2*3 = 6.", "6 + 20 = 26."]
    with pytest.raises(Refused, match="groups: no neighbouring steps"):
        await find_groups(teacher(groups="1, 2"), TRACE, steps)


async def test_only_neighbours_of_a_proposed_group_are_put_side_by_side() -> None:
    steps = ["2*3 = 6.", "4*5 = 20.", "6 + 20 = 26.", "So it is 26."]
    assert await find_groups(teacher(groups="1, 2, 4"), TRACE, steps) == [[0, 1]]


def test_many_traces_leave_a_line_each_are_counted_by_stage_and_not_asked_again(tmp_path: Path) -> None:
    other = Trace(problem="1+1", solution="It is 2, not 77.", answer="2")
    backend = teacher().backend
    config = SessionConfig(backend=backend, template="raw", strategy="native")
    out = tmp_path / "out.jsonl"
    counts = annotate_all(config, [TRACE, other], out, lambda: None)
    assert counts == (1, {"steps": 1})
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["problem"] for line in lines] == [TRACE.problem, other.problem]
    asked = len(backend.requests)  # type: ignore[attr-defined]
    assert annotate_all(config, [TRACE, other], out, lambda: None) == counts
    assert len(backend.requests) == asked  # type: ignore[attr-defined]
