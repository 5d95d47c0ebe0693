"""How pieces and threads came out, and what is noted about those that came out badly."""

from __future__ import annotations

from weaver_sdk.markup import Dialect
from weaver_sdk.markup.boxes import has_box
from weaver_sdk.result import Outcome, RepairKind
from weaver_sdk.runtime.completion import End
from weaver_sdk.runtime.lines import Line
from weaver_sdk.runtime.recorder import Recorder
from weaver_sdk.runtime.rules import FORK, TagKey, forbidden_in_thread

_REPAIRS: dict[Outcome, tuple[RepairKind, str]] = {
    "length": ("thread_cut_by_length", "closed where its length ran out, and joined"),
    "eos": ("thread_ended_early", "closed where the model ended the sequence, and joined"),
    "empty": ("thread_empty", "joined as it is, without a word in it"),
    "error": ("thread_failed", "closed behind what had arrived, and joined"),
    "timeout": ("thread_timed_out", "closed behind what had arrived, and joined"),
}


def piece_outcome(end: End) -> Outcome:
    """Return the outcome of one completion."""
    match end.by:
        case "tag":
            return "eos" if end.tag is not None and forbidden_in_thread(end.tag) else "done"
        case "tokens":
            return "length"
        case "seconds":
            return "timeout"
        case by:
            return by


def thread_outcome(end: End, text: str) -> Outcome:
    """Return the outcome of a thread, by the end of its last completion and all of its text."""
    outcome = piece_outcome(end)
    return "empty" if outcome in ("done", "eos") and not text.strip() else outcome


def note_thread(recorder: Recorder, line: Line, end: End | None, dialect: Dialect) -> None:
    """Note what was wrong with a thread; `end` is `None` where it failed."""
    tag = end.tag if end is not None else None
    if tag is not None and (kind := forbidden_in_thread(tag)):
        recorder.repaired(kind, f"closed before the {tag.text} that it wrote, and joined", line.place)
    elif line.outcome in _REPAIRS:
        recorder.repaired(*_REPAIRS[line.outcome], line.place)
    if tag is not None and not tag.exact:
        recorder.repaired("tag_spelling", f"{tag.text} was read as a tag", line.place)
    if has_box(line.text(dialect)):
        recorder.repaired(
            "thread_wrote_answer", "kept as text; a thread's box is never the answer", line.place
        )


def note_strays(recorder: Recorder, passed: set[TagKey], *, may_fork: bool) -> None:
    """Note tags on the main line that were read as text, though they are none there."""
    if not may_fork and FORK in passed:
        recorder.repaired("forks_over_limit", "outlines were left as text: no further block is allowed")
    if any(name == "thread" for name, _ in passed):
        recorder.repaired("stray_tag", "tags of a thread outside a block's threads were left as text")
