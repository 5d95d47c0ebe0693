"""Questions that make a plan, its parts and their join, for models that write no markup at all.

The plan is asked for as JSON, each part is a question of its own, and a last one puts the results together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.outlines import Outline, read_outlines
from weaver_sdk.messages import Message, Messages, merge_system, with_text_after
from weaver_sdk.result import Repair
from weaver_sdk.strategies.prompted import SEQUENTIAL_INSTRUCTION
from weaver_sdk.strategies.worked import WorkedExample, open_block

PLANNER = (
    "You plan how a question is answered; you do not answer it. Reply with JSON alone: a short thought, and "
    "the parts of the work that can be done at the same time by people who do not see each other's results. "
    "Where each step needs the one before it, or where the question is short, the list of parts is empty."
)
"""The system prompt of the call that asks for a plan."""

WORKER = (
    "You are given a question and one part of the work on it. Work out this part and nothing else, in a line "
    "or two, and end with its result."
)
"""The system prompt of the calls that work out one part."""

_SHOWN_PARTS = 4
"""How many parts of the examples a model is shown before its own."""

_PARTS = re.compile(r'"parts"\s*:\s*\[')
_STRING = re.compile(r'\s*,?\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """What a model answered when it was asked for a plan."""

    thought: str
    parts: tuple[str, ...]
    """What can be worked out at once; empty where the model sees nothing to divide."""


def plan_schema(max_parts: int) -> dict[str, Any]:
    """Return the JSON schema of a plan. An empty list of parts is the model's word against a fork."""
    parts = {"type": "array", "items": {"type": "string"}, "maxItems": max_parts}
    return {
        "type": "object",
        "properties": {"thought": {"type": "string"}, "parts": parts},
        "required": ["thought", "parts"],
        "additionalProperties": False,
    }


def plan_turns(messages: Messages, examples: Sequence[WorkedExample]) -> list[Message]:
    """Return the conversation that asks for a plan; the question is its last turn.

    One system turn stands in front: the user's own text, then ours.
    """
    taught: list[Message] = []
    for example in examples:
        plan = {"thought": example.opening, "parts": [outline for outline, _ in example.threads]}
        taught.append({"role": "user", "content": example.question})
        taught.append({"role": "assistant", "content": json.dumps(plan)})
    return merge_system([*taught, *messages], PLANNER)


def part_turns(messages: Messages, examples: Sequence[WorkedExample], part: str) -> list[Message]:
    """Return the conversation that asks for one part of the last question; one system turn in front."""
    taught: list[Message] = []
    parts = [(example.question, *thread) for example in examples for thread in example.threads]
    for question, outline, working in parts[-_SHOWN_PARTS:]:
        taught += with_text_after([{"role": "user", "content": question}], _part(outline))
        taught.append({"role": "assistant", "content": working})
    return merge_system([*taught, *with_text_after(messages, _part(part))], WORKER)


def outlines_of(reply: str, dialect: Dialect) -> tuple[str, list[Outline], list[Repair]]:
    """Return the beginning of the trajectory that a reply to the planner is, its outlines, and what is amiss.

    There are no outlines where the model sees fewer than two parts.
    """
    plan = read_plan(reply)
    think = f"{dialect.think[0]}\n" if dialect.reasons_in_think else ""
    if plan is None:  # there may be numbered lines in it
        block = f"{open_block(dialect, ())}{reply.strip()}\n{dialect.outlines[1]}"
        found = read_outlines(block, dialect)
        return think + (block if found.outlines else ""), list(found.outlines), list(found.repairs)
    thought = f"{plan.thought}\n" if plan.thought else ""
    if len(plan.parts) < 2:
        return think + thought, [], []
    outlines = [Outline(str(number), part) for number, part in enumerate(plan.parts, 1)]
    return think + thought + open_block(dialect, outlines) + dialect.outlines[1], outlines, []


def join_turns(messages: Messages, results: Iterable[tuple[Outline, str]]) -> list[Message]:
    """Return the conversation that puts results together; without any, it asks for the answer plainly.

    The user's system prompt stands in front, and there is none of ours.
    """
    turns = merge_system(messages)
    worked = "\n".join(
        f"{outline.label}. {outline.text}: {text.strip() or '(no result)'}" for outline, text in results
    )
    if not worked:
        return with_text_after(turns, SEQUENTIAL_INSTRUCTION, gap="\n")
    return with_text_after(
        turns,
        f"These parts of it have been worked out already:\n{worked}\n\nPut them together and be brief. "
        "Output the final answer within \\boxed{}.",
    )


def read_plan(text: str) -> QuestionPlan | None:
    """Return the plan in a reply, or `None` where there is none that can be read.

    Reasoning in front of it, a code fence around it and a missing end are overlooked; white space in it
    becomes a single space.
    """
    begins = 0 if text.lstrip().startswith("{") else text.rfind("</think>") + 1
    start = text.find("{", begins)
    if start < 0:
        return None
    try:
        plan, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError:
        return _read_cut_plan(text[start:])
    parts = plan.get("parts")
    if not isinstance(parts, list):
        return None
    read = (_one_line(_words(part)) for part in parts)
    return QuestionPlan(_one_line(_words(plan.get("thought"))), tuple(dict.fromkeys(filter(None, read))))


def _read_cut_plan(text: str) -> QuestionPlan | None:
    """Read the parts that are whole in a reply that was cut, or holds what JSON forbids."""
    opened = _PARTS.search(text)
    parts: list[str] = []
    at = opened.end() if opened else len(text)
    while found := _STRING.match(text, at):
        parts.append(_one_line(_unquoted(found[1])))
        at = found.end()
    return QuestionPlan("", tuple(dict.fromkeys(filter(None, parts)))) if parts else None


def _unquoted(string: str) -> str:
    try:
        text: str = json.loads(string, strict=False)
    except json.JSONDecodeError:  # LaTeX, mostly: "\\(x\\)"
        return string[1:-1]
    return text


def _words(part: object) -> str:
    """Return the text of a part, which some models put into an object of its own."""
    if isinstance(part, Mapping):
        part = next((value for value in part.values() if isinstance(value, str)), "")
    return part if isinstance(part, str) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _part(text: str) -> str:
    return f"Part: {text}"
