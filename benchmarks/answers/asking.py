"""Asks the questions: by turns, one at a time for the clock, or several at once for the tokens alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from benchmarks.answers.question import Question
from benchmarks.answers.row import Record, Row
from benchmarks.answers.ways import Way

_WARM_UP = "Say hello."


async def ask_all(
    ways: dict[str, Way],
    questions: Sequence[Question],
    record: Record,
    at_once: int,
    done: Callable[[Row], None],
) -> None:
    """Ask each question in each way, but for those that the record holds.

    The ways take turns within a question, and another one begins each time, so that neither a busy minute nor
    a warm cache favours one. `done` gets each row when the record holds it.

    Args:
        at_once: questions at a time; with more than 1 no clock runs.
    """
    if at_once == 1:  # what a server builds at its first request is in nobody's time
        for way in ways.values():
            await way(_WARM_UP, lambda _: None)
    slots = asyncio.Semaphore(at_once)
    names = list(ways)

    async def ask(index: int, question: Question) -> None:
        first = index % len(names)
        async with slots:
            for name in (*names[first:], *names[:first]):
                if not record.has(question.id, name):
                    row = await _row(name, ways[name], question, clock=at_once == 1)
                    record.rows.append(row)
                    done(row)

    async with asyncio.TaskGroup() as group:
        for index, question in enumerate(questions):
            group.create_task(ask(index, question))


async def _row(name: str, way: Way, question: Question, *, clock: bool) -> Row:
    load = os.getloadavg()[0]
    began = time.perf_counter()
    seen: float | None = None

    def on_text(text: str) -> None:
        nonlocal seen
        if seen is None and text.strip():
            seen = time.perf_counter() - began

    answered = await way(question.text, on_text)
    seconds = time.perf_counter() - began
    return Row(
        question=question.id,
        way=name,
        answered=answered,
        seconds=seconds if clock else None,
        first_text=seen if clock else None,
        load=load,
    )
