"""One run, watched: events go to the trace file and to the picture; Ctrl-C stops it without losing a word."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from weaver_sdk.cli.interrupts import on_interrupt
from weaver_sdk.cli.pace import Pace
from weaver_sdk.cli.scene import Scene
from weaver_sdk.cli.screen import quiet_keys
from weaver_sdk.errors import WeaverError
from weaver_sdk.events import Event
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
    history: Sequence[Mapping[str, str]] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How a run ended."""

    result: Result | None
    """What was done; `None` where it had not even begun."""
    error: WeaverError | None = None
    stopped: bool = False
    """The user stopped it."""


async def watch(
    reasoner: ParallelReasoner,
    question: Question,
    scene: Scene,
    record: Callable[[Event], None] = lambda event: None,
) -> Watched:
    """Run a question to its end, or until Ctrl-C, and show it. Errors of the run are returned, not raised."""
    board, began, stopped = scene.board, time.monotonic(), False
    error: WeaverError | None = None

    def now() -> float:
        return time.monotonic() - began

    def stop() -> None:
        nonlocal stopped
        stopped = True
        scene.keep(now())
        run.cancel()

    run = reasoner.stream(
        question.problem,
        mode=question.mode,
        sampling=question.sampling,
        budget=question.budget,
        history=question.history,
    )
    with quiet_keys(scene.screen.console), on_interrupt(stop):
        try:
            async with run, Pace(lambda: scene.paint(now())) as pace:
                async for event in run:
                    if event.kind == "run_started":
                        began = time.monotonic() - event.at
                    board.apply(event)
                    record(event)
                    pace.changed()
        except WeaverError as failure:
            error = failure
        finally:
            result = error.result if error is not None and error.result is not None else board.result
            board.finish(result)
            scene.close()
    return Watched(result=result, error=error, stopped=stopped)
