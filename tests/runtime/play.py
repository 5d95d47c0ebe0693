"""Plays one run against scripted answers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from weaver_sdk.backends.base import Backend
from weaver_sdk.backends.limited import LimitedBackend
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.events import Event
from weaver_sdk.markup import THREADWEAVER, Dialect
from weaver_sdk.options import Mode
from weaver_sdk.result import Fork, Result, Thread
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.runtime.run import Run
from weaver_sdk.strategies.native import Native
from weaver_sdk.strategies.strategy import Function, Strategy, program_of
from weaver_sdk.testing import ScriptedBackend

OUTLINES = "<think>\nTwo parts.\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n"
"""What the main line writes up to the closing tag of its outlines."""

ANSWER = "</Parallel>\nSo 42.\n</think>\n\\boxed{42}"

TRAJECTORY = OUTLINES + "</Outlines>\n<Thread>\n1: one\n</Thread><Thread>\n2: two\n</Thread>\n" + ANSWER


def table(**changes: Any) -> dict[str, Any]:
    """A run with one block of two threads; `open`, `first`, `second`, `after` replace its answers."""
    usual = {
        "open": OUTLINES + "</Outlines>",
        "first": " one\n</Thread>",
        "second": " two\n</Thread>",
        "after": ANSWER,
    }
    said = usual | changes
    return {
        "Q": said["open"],
        "<Thread>\n1:": said["first"],
        "<Thread>\n2:": said["second"],
        "</Thread>\n": said["after"],
    }


def new_run(
    backend: Backend,
    *,
    dialect: Dialect = THREADWEAVER,
    strategy: Strategy | Function | None = None,
    models: Mapping[str, Backend] | None = None,
    problem: str = "Q",
    mode: Mode = "parallel",
    listeners: tuple[Callable[[Event], None], ...] = (),
    places: int = 64,
    **more: Any,
) -> Run:
    """A run whose model goes on from the bare problem; `models` are further ones."""
    limiter = ConcurrencyLimiter(places)
    backends = {"main": backend, **(models or {})}
    limited = {name: LimitedBackend(one, limiter) for name, one in backends.items()}
    config = RunConfig(
        run_id="r1",
        messages=more.pop("messages", ({"role": "user", "content": problem},)),
        program=program_of(strategy or Native(dialect=replace(dialect, instruction="")), mode),
        models={
            name: Model(backend=one, render=lambda turns: turns[-1]["content"])
            for name, one in limited.items()
        },
        mode=mode,
        **{name: value for name, value in more.items() if value is not None},
    )
    return Run(config, listeners)


async def play(answers: Any, **options: Any) -> Result:
    """Run to the end; `answers` is a backend, or what a `ScriptedBackend` takes."""
    backend = answers if hasattr(answers, "stream") else ScriptedBackend(answers)
    return await new_run(backend, **options).execute()


async def run_program(program: Strategy | Function, answers: Any = (), **options: Any) -> Result:
    """Run a user's program to its end; `answers` and `options` are those of `play`."""
    return await play(answers, strategy=program, **options)


def threads(result: Result) -> list[Thread]:
    """All threads of the run's own blocks, in order."""
    return [thread for part in result.trace if isinstance(part, Fork) for thread in part.threads]


def kinds(result: Result) -> list[str]:
    return [repair.kind for repair in result.repairs]
