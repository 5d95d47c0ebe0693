"""A plan of steps that need each other: how it is asked for, and how it is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

PLAN = (
    "Divide the work on the question above into steps. Do not answer it yet. Reply with JSON alone: "
    '{"steps": [{"do": "…", "needs": []}]}. `needs` holds the numbers, from 1, of the earlier steps whose '
    "results a step cannot do without. Keep it empty wherever you can, and use few steps."
)
"""Asks for a plan."""

_BEGINS = re.compile(r'\{\s*"steps"')


@dataclass(frozen=True)
class Step:
    """One step of a plan."""

    number: int
    """Counted from 1."""
    do: str
    needs: frozenset[int] = frozenset()
    """The numbers of earlier steps."""


def steps_schema(most: int) -> dict[str, object]:
    """Return the JSON schema of a plan of at most so many steps."""
    step = {
        "type": "object",
        "properties": {"do": {"type": "string"}, "needs": {"type": "array", "items": {"type": "integer"}}},
        "required": ["do", "needs"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": step, "maxItems": most}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def read_steps(text: str) -> list[Step]:
    """Return the steps of a plan; a need that names no earlier step is left out. No plan gives no steps."""
    begins = [found.start() for found in _BEGINS.finditer(text)] or [
        text.find("{", text.rfind("</think>") + 1)
    ]
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, max(0, begins[-1]))
        given: list[Any] = value["steps"] if isinstance(value["steps"], list) else []
    except (json.JSONDecodeError, LookupError, TypeError):
        return []
    steps = [step if isinstance(step, dict) else {"do": step} for step in given]
    return [
        Step(number, " ".join(str(step.get("do", "")).split()), _needs(step.get("needs"), number))
        for number, step in enumerate(steps, start=1)
    ]


def _needs(value: object, number: int) -> frozenset[int]:
    given = value if isinstance(value, list) else []
    needs = (int(need) for need in given if re.fullmatch(r"[0-9]{1,9}", str(need)))
    return frozenset(need for need in needs if 1 <= need < number)
