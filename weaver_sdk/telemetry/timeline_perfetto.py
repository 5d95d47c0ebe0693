"""A timeline for trace viewers: the trace-event JSON that Perfetto and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from weaver_sdk.telemetry.timeline import CompletionSpan, Timeline

_ROW = 1_000
"""Row numbers per block: a thread's row is block × 1,000 + thread, which keeps blocks in order."""


def perfetto_json(timelines: Sequence[Timeline]) -> str:
    """Return the runs as trace-event JSON: one process per run, one row per thread, times in microseconds."""
    events = [event for place, timeline in enumerate(timelines, 1) for event in _run(place, timeline)]
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": events})


def _run(process: int, timeline: Timeline) -> Iterator[dict[str, Any]]:
    yield _name("process_name", process, 0, f"{timeline.mode}: {timeline.problem[:80]}")
    yield _name("thread_name", process, 0, "main line")
    for place, span in enumerate(timeline.main, 1):
        yield from _span(process, 0, f"segment {place}", span)
    for block in timeline.blocks:
        frame = {"name": f"fork {block.fork}", "ph": "X", "pid": process, "tid": block.fork * _ROW}
        yield _name("thread_name", process, block.fork * _ROW, f"fork {block.fork}")
        yield frame | {"ts": _us(block.opened), "dur": _us(block.joined - block.opened)}
        for lane in block.threads:
            row = block.fork * _ROW + lane.thread
            yield _name("thread_name", process, row, f"{lane.label}: {lane.outline}")
            if lane.span is not None:
                yield from _span(process, row, lane.outline or lane.label, lane.span)
    for at, reason in timeline.retries:
        instant = {"name": "sent again", "ph": "i", "s": "p", "pid": process, "tid": 0, "ts": _us(at)}
        yield instant | {"args": {"reason": reason}}
    yield from _running(process, timeline)


def _span(process: int, row: int, name: str, span: CompletionSpan) -> Iterator[dict[str, Any]]:
    where = {"ph": "X", "pid": process, "tid": row}
    args: dict[str, Any] = {"tokens": span.tokens, "outcome": span.outcome, "text": span.text}
    if span.error:
        args["error"] = span.error
    if span.repairs:
        args["repairs"] = list(span.repairs)
    yield where | {"name": name, "ts": _us(span.started), "dur": _us(span.seconds), "args": args}
    if span.first is not None:  # a slice inside the other, up to the first token
        yield where | {"name": "reading", "ts": _us(span.started), "dur": _us(span.first - span.started)}


def _running(process: int, timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield how many completions run at each moment, as a counter."""
    steps = sorted(step for span in timeline.spans() for step in ((span.started, 1), (span.ended, -1)))
    running = 0
    for at, change in steps:
        running += change
        yield {
            "name": "completions at once",
            "ph": "C",
            "pid": process,
            "ts": _us(at),
            "args": {"running": running},
        }


def _name(kind: str, process: int, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": row, "args": {"name": name}}


def _us(seconds: float) -> int:
    return round(max(0.0, seconds) * 1e6)
