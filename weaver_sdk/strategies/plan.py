"""The plan of an answer: its parts, their lengths, how they stand together; how it is asked for and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import pydantic_core

from weaver_sdk.messages import Message, Messages, merge_system

Length = Literal["line", "paragraph", "section"]
"""How long a part is. Asked for a number of words, models copy that of an example."""

Form = Literal["sections", "numbered", "bullets", "texts", "json"]
"""How the parts stand together: under headings, as items of a list, one after the other, as a JSON array."""

WORDS: dict[Length, int] = {"line": 15, "paragraph": 50, "section": 110}
"""Words that a part is asked for."""

CLOSING_WORDS = 50

TOKENS_PER_WORD = 1.5

PLANNER = (
    "You plan how a question is answered; you do not answer it. Reply with JSON alone. `parts` are the parts "
    "that the question itself asks for, each of which can be written without a look at the others: sections, "
    "texts, functions, days, items. Each is a short title that tells it from the others, so that no two come "
    "out alike; `title | what is special in it` where the title alone does not; with `| line` or "
    "`| section` behind it where it is far shorter or longer than a paragraph. `form` is how they stand "
    "together where it is not under headings, and `then` is `combine` where the answer can only be given out "
    "of their results. Where the answer is one piece, where it is short, or where each step needs the one "
    "before it, `parts` is empty."
)
"""The system prompt of the call that asks for a plan."""


@dataclass(frozen=True)
class Part:
    """A part of an answer that is written by itself."""

    title: str
    says: str = ""
    """What it is about, in a few words."""
    length: Length = "paragraph"

    def as_line(self) -> str:
        """Return the part as it stands in a plan."""
        length = "" if self.length == "paragraph" else self.length
        return " | ".join(filter(None, (self.title, self.says, length)))


@dataclass(frozen=True)
class Plan:
    """How an answer is divided; one without parts is written in one piece."""

    parts: tuple[Part, ...] = ()
    form: Form = "sections"
    then: Literal["list", "combine"] = "list"
    """Whether the parts are the answer, or a closing follows them."""

    def as_json(self) -> str:
        """Return the plan as a model is to write it: in few tokens, for all else waits for it."""
        plan: dict[str, object] = {"parts": [part.as_line() for part in self.parts]}
        if self.form != "sections":
            plan["form"] = self.form
        if self.then != "list":
            plan["then"] = self.then
        return json.dumps(plan, ensure_ascii=False)


@dataclass(frozen=True)
class PlanExample:
    """A question and its plan, as a model is shown them."""

    question: str
    plan: Plan = Plan()


def plan_schema(max_parts: int) -> dict[str, Any]:
    """Return the JSON schema of a plan. An empty list of parts is the model's word against a fork."""
    line = {"type": "string", "maxLength": 150}
    return {
        "type": "object",
        "properties": {
            "parts": {"type": "array", "items": line, "maxItems": max_parts},
            "form": {"enum": list(get_args(Form))},
            "then": {"enum": ["list", "combine"]},
        },
        "required": ["parts"],
        "additionalProperties": False,
    }


def plan_turns(messages: Messages, examples: Sequence[PlanExample]) -> list[Message]:
    """Return the conversation that asks for a plan; the question is its last turn.

    One system turn stands in front: the user's own text, then ours.
    """
    taught: list[Message] = []
    for example in examples:
        taught.append({"role": "user", "content": example.question})
        taught.append({"role": "assistant", "content": example.plan.as_json()})
    return merge_system([*taught, *messages], PLANNER)


def read_plan(text: str) -> Plan | None:
    """Return the plan in a reply, or `None` where there is none that can be read.

    Reasoning in front of it, a code fence around it and a missing end are overlooked. Of two parts with one
    title the first counts.
    """
    begins = 0 if text.lstrip().startswith("{") else text.rfind("</think>") + 1
    start = text.find("{", begins)
    value = _value(text[start:]) if start >= 0 else None
    if not isinstance(value, dict) or not isinstance(value.get("parts"), list):
        return None
    read = (_part(part) for part in value["parts"])
    named = [part for part in read if part.title and part.title not in ("form", "then")]  # its own fields
    parts = {part.title.casefold(): part for part in reversed(named)}
    form: Form = value["form"] if value.get("form") in get_args(Form) else "sections"
    then: Literal["list", "combine"] = "combine" if value.get("then") == "combine" else "list"
    return Plan(tuple(reversed(parts.values())), form, then)


def _value(text: str) -> object:
    """Return the JSON value that a text begins with; of one that was cut, what is whole."""
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except json.JSONDecodeError:
        try:
            value = pydantic_core.from_json(text, allow_partial=True)
        except ValueError:
            return None
    return cast(object, value)


def _part(given: object) -> Part:
    """Read one part; where no schema is held to, some models write an object."""
    if isinstance(given, dict):
        given = " | ".join(str(value) for value in given.values())
    title, *rest = _one_line(given).split("|")
    said = [piece.strip() for piece in rest]
    named: list[Length] = [length for length in get_args(Length) if length in said]
    says = ", ".join(piece for piece in said if piece and piece not in named)
    return Part(title.strip(), says, named[-1] if named else "paragraph")


def _one_line(text: object) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""
