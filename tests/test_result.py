"""A result is data: it goes to JSON and comes back, and becomes the beginning of the next conversation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.play import TRAJECTORY, play, table
from weaver_sdk import ConfigurationError, Fork, Repair, Result
from weaver_sdk.markup import MULTIVERSE
from weaver_sdk.messages import conversation
from weaver_sdk.options import Budget
from weaver_sdk.result import final_text
from weaver_sdk.testing import ScriptedBackend
from weaver_sdk.testing.script import Script, ScriptedBlock, ScriptedTrajectory

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
ASKED = conversation(
    [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE], "name": "ann"}],
    system="In French.",
)


@pytest.fixture
async def result() -> Result:
    return replace(await play(table()), messages=ASKED)


def there_and_back(result: Result) -> None:
    assert Result.from_json(result.to_json()) == result
    assert Result.from_json(result.to_json().encode()) == result
    assert Result.from_dict(result.to_dict()) == result
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


async def test_a_real_run_goes_through_json_and_is_then_the_same(result: Result) -> None:
    assert result.text == TRAJECTORY
    there_and_back(result)


@pytest.mark.parametrize(
    ("answers", "options"),
    [
        (table(first="", second=" two <Parallel>"), {}),
        (lambda _: TRAJECTORY, {"budget": Budget(total_tokens=12, reserve_tokens=2)}),
        ({"Q": TRAJECTORY}, {"mode": "sequential"}),
        ({"Q": ""}, {"dialect": MULTIVERSE, "index": 3}),
    ],
)
async def test_so_does_a_run_that_went_badly(answers: Any, options: dict[str, Any]) -> None:
    there_and_back(await play(answers, **options))


async def test_so_does_a_run_with_nested_threads() -> None:
    nested = ScriptedBlock((" deeper\n", " wider\n"))
    outer = ScriptedBlock(((OPENED, nested, ANSWERED), " x\n"))
    script = Script((ScriptedTrajectory("Q", (OPENED, outer, ANSWERED), "4"),))
    result = await play(ScriptedBackend(script), budget=Budget(max_depth=2))
    [fork] = [part for part in result.trace if isinstance(part, Fork)]
    assert any(isinstance(part, Fork) for part in fork.threads[0].trace)
    there_and_back(result)


OPENED = "<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
ANSWERED = "</Parallel>\n"


@given(st.data())
def test_whatever_text_it_holds(data: st.DataObject) -> None:
    text = data.draw(st.text())
    base = Result.from_json(BASE)
    there_and_back(
        replace(
            base,
            problem=text,
            answer=data.draw(st.none() | st.text()),
            text=data.draw(st.text()),
            repairs=[Repair(kind="stray_tag", done=text, fork=1)],
            messages=conversation([{"role": "user", "content": f"Q{text}", "name": text}]),
        )
    )


BASE = json.dumps(
    {
        "run_id": "r1",
        "problem": "Q",
        "model": "m",
        "mode": "parallel",
        "answer": "4",
        "text": "<think>\nx\n</think>\n\\boxed{4}",
        "finish": "stop",
        "trace": [],
        "repairs": [],
        "well_formed": True,
        "a field of a later version": 1,
        "telemetry": {
            "total_tokens": 1,
            "critical_path_tokens": 1,
            "acceleration_ratio": 0.0,
            "self_parallelism": 1.0,
            "parallel_ratio": 0.0,
            "forks": 0,
            "threads": 0,
            "wall_seconds": 0.1,
            "critical_path_seconds": 0.1,
            "overhead_seconds": 0.0,
            "time_to_first_token": None,
            "prompt_tokens": None,
            "cached_prompt_tokens": None,
            "requests": 1,
            "retries": 0,
            "tokens_from": "usage",
        },
    }
)
"""As an earlier version wrote it, without messages; and with a field that this one does not know."""


def test_what_another_version_wrote_is_read() -> None:
    result = Result.from_json(BASE)
    assert (result.answer, result.messages) == ("4", ())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Invalid JSON"),
        ("[]", "not the data of a result: "),
        ("{}", r"run_id: Field required \(and \d+ more errors\)"),
        (BASE.replace('"retries": 0', '"retries": "my secret"'), r"telemetry\.retries: "),
        (BASE.replace('"stop"', '"my secret"'), "finish: "),
    ],
)
def test_what_is_no_result_is_refused_with_the_place_and_without_its_content(
    text: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        Result.from_json(text)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [{}, {"run_id": 7}, [], None])
def test_so_is_what_is_no_dict_of_one(data: Any) -> None:
    with pytest.raises(ConfigurationError, match="not the data of a result"):
        Result.from_dict(data)


async def test_the_answer_is_the_last_turn_of_the_conversation_without_its_reasoning(result: Result) -> None:
    assert result.to_messages() == (*ASKED, {"role": "assistant", "content": "\\boxed{42}"})
    further = conversation([*result.to_messages(), {"role": "user", "content": "And its colour?"}])
    assert conversation("And its colour?", history=result.to_messages()) == further


def test_without_messages_the_conversation_is_the_problem() -> None:
    [asked, said] = Result.from_json(BASE).to_messages()
    assert asked == {"role": "user", "content": "Q"}
    assert said["role"] == "assistant"


def test_where_nothing_was_said_there_is_nothing_to_go_on_from() -> None:
    silent = replace(Result.from_json(BASE), text="<think>\nx", answer=None, finish="cancelled")
    with pytest.raises(ConfigurationError, match=r"run r1 ended without an answer \(finish='cancelled'\)"):
        silent.to_messages()


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("<think>\nx\n</think>\nSo it is \\boxed{4}.\n", "4", "So it is \\boxed{4}."),
        ("x \\boxed{4}", "4", "4"),
        ("<think>\n\\boxed{4}\n</think>\n", "4", "4"),
        ("<think>\nx", None, ""),
    ],
)
def test_what_is_said_to_the_user_stands_behind_the_reasoning(
    text: str, answer: str | None, said: str
) -> None:
    assert final_text(replace(Result.from_json(BASE), text=text, answer=answer)) == said
