"""Outline and gather, written by hand with `openai` alone: what this package competes with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import openai

from benchmarks.answers.chat import Said, say
from benchmarks.answers.row import Answered

_OUTLINE = (
    "Into which independent sections can the answer to a question be divided, so that several people write "
    "them at the same time? Give a JSON list of short section titles, one for each thing that is asked for, "
    "without an introduction or a conclusion. Give an empty list if the answer is short or is one piece.\n\n"
    'Question: Describe the climate of Spain, Norway and Japan.\n["Spain", "Norway", "Japan"]\n\n'
    "Question: How high is Mount Everest?\n[]\n\n"
    "Question: Write a poem about winter.\n[]\n\n"
    "Question: Write an invitation to a wedding and a note of thanks for a present.\n"
    '["Invitation", "Note of thanks"]\n\n'
    "Question: {question}\n"
)
_SECTION = (
    '{question}\n\nThe answer has these sections: {titles}. Write only the section "{title}", without its '
    "heading; others write the rest."
)
_LIST = {"type": "array", "items": {"type": "string"}, "maxItems": 6}


async def outline_and_gather(
    client: openai.AsyncOpenAI, model: str, question: str, max_tokens: int, on_text: Callable[[str], None]
) -> Answered:
    """Ask for an outline, write its sections at once, and put them together under their titles.

    Args:
        client: where the model is.
        model: its name there.
        question: what is asked.
        max_tokens: of one request; the sections may have so many each.
        on_text: called with what a reader can see: the first section as it comes, or the undivided answer.
    """
    asked = _OUTLINE.format(question=question)
    plan = await say(client, model, asked, max_tokens=200, schema=_LIST)
    titles = _titles(plan.text)
    if len(titles) < 2:
        whole = await say(client, model, question, max_tokens=max_tokens, on_text=on_text)
        return _answered(plan, [whole], whole.text)
    named = ", ".join(f'"{title}"' for title in titles)
    prompts = [_SECTION.format(question=question, titles=named, title=title) for title in titles]
    parts = await asyncio.gather(
        *(
            say(client, model, prompt, max_tokens=max_tokens, on_text=None if index else on_text)
            for index, prompt in enumerate(prompts)
        )
    )
    sections = (f"## {title}\n\n{part.text.strip()}" for title, part in zip(titles, parts, strict=True))
    return _answered(plan, parts, "\n\n".join(sections))


def _titles(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:  # cut, or a server without schemas: then the question is asked as it is
        return []
    return [title for title in found if isinstance(title, str)] if isinstance(found, list) else []


def _answered(plan: Said, parts: list[Said], text: str) -> Answered:
    return Answered(
        text=text,
        tokens=plan.tokens + sum(part.tokens for part in parts),
        critical_tokens=plan.tokens + max(part.tokens for part in parts),
        at_limit=sum(part.finish == "length" for part in parts),
        threads=len(parts) if len(parts) > 1 else 0,
    )
