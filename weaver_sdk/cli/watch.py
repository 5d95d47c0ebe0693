"""Runs, watched: events go to the trace file and to the picture; Ctrl-C stops them without losing a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from weaver_sdk.cli.interrupts import on_interrupt
from weaver_sdk.cli.lanes import Board
from weaver_sdk.cli.pace import Pace
from weaver_sdk.cli.screen import Screen, quiet_keys
from weaver_sdk.errors import WeaverError
from weaver_sdk.events import Event
from weaver_sdk.messages import Messages
from weaver_sdk.options import Budget, Mode, Sampling
from weaver_sdk.reasoner import ParallelReasoner
from weaver_sdk.result import Result


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a run is asked, and how."""

    problem: str
    mode: Mode = "parallel"
    sampling: Sampling | None = None
    budget: Budget | None = None
    history: Messages = field(default=())
    routing_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How a run ended."""

    result: Result | None
    """What was done; `None` where it had not even begun."""
    said: str = ""
    """What the model says to the user: the text of the answer, as far as it has come."""
    error: WeaverError | None = None
    stopped: bool = False
    """The user stopped it."""


class Picture(Protocol):
    """What is drawn while runs go on. Times are seconds since they began."""

    @property
    def screen(self) -> Screen:
        """Where it is drawn."""
        ...

    def paint(self, now: float) -> None:
        """Draw what there is."""

    def keep(self, now: float) -> None:
        """Leave what would be lost in the scrollback: the runs are being stopped."""

    def close(self) -> None:
        """Take the drawing away."""


async def watch(
    reasoner: ParallelReasoner,
    runs: Sequence[tuple[Question, Board]],
    picture: Picture,
    record: Callable[[Event], None] = lambda event: None,
) -> list[Watched]:
    """Run the questions at once to their ends, or until Ctrl-C. Their errors are returned, not raised."""
    began = time.monotonic()
    stopped = False
    streams = [
        reasoner.stream(
            question.problem,
            mode=question.mode,
            sampling=question.sampling,
            budget=question.budget,
            history=question.history,
            routing_key=question.routing_key,
        )
        for question, _ in runs
    ]

    def now() -> float:
        return time.monotonic() - began

    def stop() -> None:
        nonlocal stopped
        stopped = True
        picture.keep(now())
        for stream in streams:
            stream.cancel()

    async def follow(place: int, pace: Pace) -> WeaverError | None:
        nonlocal began
        board = runs[place][1]
        try:
            async with streams[place] as stream:
                async for event in stream:
                    if event.kind == "run_started":
                        began = time.monotonic() - event.at  # the connection took its time before that
                    board.apply(event)
                    record(event)
                    pace.changed()
        except WeaverError as failure:
            return failure
        return None

    try:
        with quiet_keys(picture.screen.console), on_interrupt(stop):
            async with Pace(lambda: picture.paint(now())) as pace, asyncio.TaskGroup() as group:
                tasks = [group.create_task(follow(place, pace)) for place in range(len(runs))]
    finally:
        for _, board in runs:
            board.finish(board.result)
        picture.close()
    return [
        Watched(result=board.result, said=board.said, error=task.result(), stopped=stopped)
        for (_, board), task in zip(runs, tasks, strict=True)
    ]
