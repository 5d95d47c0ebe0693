"""What is noted about a thread that came out badly, under any strategy."""

from __future__ import annotations

from weaver_sdk.result import Outcome, RepairKind
from weaver_sdk.runtime.lines import LiveThread
from weaver_sdk.runtime.recorder import Recorder

_REPAIRS: dict[Outcome, tuple[RepairKind, str]] = {
    "length": ("thread_cut_by_length", "closed where its length ran out, and joined"),
    "eos": ("thread_ended_early", "closed where the model ended the sequence, and joined"),
    "empty": ("thread_empty", "joined as it is, without a word in it"),
    "error": ("thread_failed", "closed after what had arrived, and joined"),
    "timeout": ("thread_timed_out", "closed after what had arrived, and joined"),
}


def note_outcome(recorder: Recorder, line: LiveThread) -> None:
    """Note that a thread did not end by itself; not so where its strategy has said more about that."""
    said = any(
        (repair.fork, repair.thread) == line.place and repair.kind in _ENDS for repair in recorder.repairs
    )
    if line.outcome in _REPAIRS and not said:
        recorder.repaired(*_REPAIRS[line.outcome], line.place)


_ENDS: frozenset[RepairKind] = frozenset(
    {"thread_opened_block", "thread_opened_thread", "thread_closed_block", "thread_closed_think"}
)
"""Repairs of a strategy that say how a thread ended."""
