"""The ways in which a question is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import openai

from benchmarks.answers.gather import outline_and_gather
from benchmarks.answers.row import Answered
from weaver_sdk import Budget, ParallelReasoner, Result
from weaver_sdk.events import SegmentDelta
from weaver_sdk.options import Mode
from weaver_sdk.result import Fork, Trace

Way = Callable[[str, Callable[[str], None]], Awaitable[Answered]]
"""Answers a question, and calls back with text as soon as a reader can see it."""

NAMES = ("bare", "weaver", "auto", "gather")
_REASONER: dict[str, tuple[Mode, str]] = {
    "bare": ("sequential", "planned"),
    "weaver": ("parallel", "planned"),
    "auto": ("parallel", "auto"),
}


@dataclass(frozen=True)
class Server:
    """One model on one server, reached by this package and by `openai`."""

    model: str
    reasoner: ParallelReasoner
    client: openai.AsyncOpenAI
    max_tokens: int
    """That any way may write one after the other."""

    def way(self, name: str) -> Way:
        """Return the way of that name."""
        if name == "gather":
            return lambda question, seen: outline_and_gather(
                self.client, self.model, question, self.max_tokens, seen
            )
        return partial(self._solve, *_REASONER[name])

    async def _solve(
        self, mode: Mode, strategy: str, question: str, on_text: Callable[[str], None]
    ) -> Answered:
        budget = Budget(critical_path_tokens=self.max_tokens, reserve_tokens=0, on_exhausted="stop")
        async with self.reasoner.stream(question, mode=mode, strategy=strategy, budget=budget) as run:
            async for event in run:
                if isinstance(event, SegmentDelta) and event.phase == "answer" and event.kept:
                    on_text(event.text)
        return answered(run.result)


def answered(result: Result) -> Answered:
    """Return what a run gave and took."""
    limits = sum(outcome == "length" for outcome in _outcomes(result.trace))
    return Answered(
        text=result.answer or "",
        tokens=result.telemetry.total_tokens,
        critical_tokens=result.telemetry.critical_path_tokens,
        at_limit=max(limits, int(result.finish in ("length", "budget"))),
        threads=result.telemetry.threads,
        no_fork_reason=result.no_fork_reason,
    )


def _outcomes(trace: Trace) -> Iterator[str]:
    for part in trace:
        if isinstance(part, Fork):
            for thread in part.threads:
                yield thread.outcome
        elif part.phase != "plan":
            yield part.outcome
