"""One part of an answer: how it is asked for, written and handed on; and the closing after the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weaver_sdk.messages import Message, Messages, with_text_after
from weaver_sdk.strategies.assembly import Assembly
from weaver_sdk.strategies.object_watch import ObjectWatch
from weaver_sdk.strategies.part_watch import PartWatch
from weaver_sdk.strategies.plan import CLOSING_WORDS, TOKENS_PER_WORD, WORDS, Plan

if TYPE_CHECKING:
    from weaver_sdk.runtime.completion import Completion
    from weaver_sdk.runtime.scope import Scope


ROOM = 8
"""A part may have so many times the tokens that it was asked for. Prose ends long before; code is not cut."""


def room_for(words: int) -> int:
    """Return the tokens that a text of so many words may have."""
    return round(ROOM * words * TOKENS_PER_WORD)


async def write_part(scope: Scope, plan: Plan, number: int, assembly: Assembly, scale: float) -> None:
    """Write one part, and hand it to the answer; one that a limit cuts is marked `length`.

    Args:
        scope: the part's thread.
        plan: all parts.
        number: which one, from 0.
        assembly: the answer.
        scale: how long parts are, as a multiple of the usual lengths.
    """
    words = max(1, round(WORDS[plan.parts[number].length] * scale))
    turns = part_turns(scope.messages, plan, number, words)
    try:
        if plan.form == "json":
            watch = ObjectWatch(lambda text: assembly.heard(number, text))
            schema = {"type": "object"}
            reply = await scope.ask(turns, schema=schema, stop=watch, max_tokens=room_for(words))
        else:
            reply = await _stream_part(scope, turns, plan, number, assembly, words)
        if reply.cut_by is not None:
            scope.outcome = "length"
    finally:
        assembly.ended(number)


async def _stream_part(
    scope: Scope, turns: list[Message], plan: Plan, number: int, assembly: Assembly, words: int
) -> Completion:
    """Hand a part on while it is written. It goes on from its title, where the server can do that."""
    titles = [part.title for part in plan.parts]
    title = titles.pop(number)
    watch = PartWatch(title, titles, words, lambda text: assembly.heard(number, text))
    if scope.models["main"].capabilities.continues:
        prompt = scope.prompt(turns)
        reply = await scope.extend(prompt=prompt, stop=watch, max_tokens=room_for(words))
    else:
        reply = await scope.ask(turns, stop=watch, max_tokens=room_for(words))
    if watch.in_code:
        assembly.heard(number, "\n```")
    return reply


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
