"""How one part of an answer is asked for, and the closing behind the parts."""

from __future__ import annotations

import json

from weaver_sdk.messages import Message, Messages, with_text_after
from weaver_sdk.strategies.plan import CLOSING_WORDS, Plan


def part_turns(messages: Messages, plan: Plan, number: int, words: int) -> list[Message]:
    """Return the conversation that asks for one part; it begins alike for all of them.

    Args:
        messages: the question.
        plan: all parts.
        number: which one, from 0.
        words: how long it should be, where the question does not say.
    """
    part = plan.parts[number]
    if plan.form == "json":
        how = f"Write element {number + 1} of the array alone, as one JSON object. No code fence."
    else:
        how = (
            f"Write part {number + 1} alone, “{part.title}”, in about {words} words if the question names no "
            "length, without introduction, conclusion or headings."
        )
    return with_text_after(messages, _outline(plan) + how)


def seed(plan: Plan, number: int) -> str:
    """Return what a part's text goes on from: its title, so that the model does not write one."""
    return "" if plan.form in ("texts", "json") else f"## {plan.parts[number].title}\n\n"


def closing_turns(messages: Messages, plan: Plan, text: str) -> list[Message]:
    """Return the conversation that asks for the closing of an answer whose parts are written."""
    asked = (
        f"Now write the conclusion alone, in at most {CLOSING_WORDS} words. It stands behind the parts: do "
        "not say again what they say."
    )
    return [
        *with_text_after(messages, _outline(plan) + "Write all parts."),
        {"role": "assistant", "content": text},
        {"role": "user", "content": asked},
    ]


def _outline(plan: Plan) -> str:
    listed = "".join(f"- {part.title}{part.says and f' ({part.says})'}\n" for part in plan.parts)
    return f"The answer has {len(plan.parts)} parts:\n{listed}\n"


def json_value(text: str) -> str:
    """Return the first JSON object in a text as it was written; the whole text where there is none."""
    start = text.find("{")
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(text, max(0, start))
    except json.JSONDecodeError:
        return text
    return text[start:end]
