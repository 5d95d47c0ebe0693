"""Tables of a record, and its answers side by side, in Markdown. Checklists are applied anew."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.answers.checklist import Measured, measured
from benchmarks.answers.question import Question
from benchmarks.answers.row import Record, Row
from benchmarks.answers.ways import NAMES

GROUPS = ("3 or more parts", "2 parts", "one piece")
BASE = "bare"


@dataclass(frozen=True)
class Checked:
    """A row, held against its checklist."""

    question: Question
    row: Row
    found: Measured


def checked(record: Record, questions: Sequence[Question]) -> list[Checked]:
    """Return the rows of these questions, in their order and in that of the ways."""
    rows = {(row.question, row.way): row for row in record.rows}
    return [
        Checked(question, row, measured(question, row.answered.text))
        for question in questions
        for way in NAMES
        if (row := rows.get((question.id, way)))
    ]


def report(record: Record, questions: Sequence[Question]) -> str:
    """Return both tables and what is to be known about the server."""
    rows = checked(record, questions)
    timed = any(one.row.seconds is not None for one in rows)
    return "\n".join(
        [*_server(record, rows, timed), "", *_summary(rows, timed), "", *_every_row(rows, timed)]
    )


def side_by_side(record: Record, question: Question) -> str:
    """Return what each way answered to a question."""
    lines = [f"# {question.text}", ""]
    for one in checked(record, [question]):
        found, answered = one.found, one.row.answered
        lacks = f"; missing: {', '.join(found.missing)}" if found.missing else ""
        lines += [
            "---",
            "",
            f"**{one.row.way}**: {found.present} of {found.asked} parts{lacks}; {found.words} words, "
            f"{answered.tokens} tokens, {answered.critical_tokens} on the critical path; "
            f"{found.repeated} repeated, {found.cut} cut",
            "",
            "---",
            "",
            answered.text or "(nothing)",
            "",
        ]
    return "\n".join(lines)


def _server(record: Record, rows: Sequence[Checked], timed: bool) -> Iterator[str]:
    yield f"{record.model}, greedy, at most {record.max_tokens} tokens one after the other."
    if one := record.streams.get("1"):
        speeds = ", ".join(f"{speed:.1f} with {count}" for count, speed in record.streams.items())
        most = max(record.streams.values()) / one
        yield f"Tokens a second by streams at once: {speeds}: side by side the server gains {most:.1f}×."
    if timed:
        busy = statistics.median(one.row.load for one in rows)
        yield f"Load average of this machine, median: {busy:.1f}. Compare seconds within this run only."


def _summary(rows: Sequence[Checked], timed: bool) -> Iterator[str]:
    clock = ["wall, bare / this", "first text, this / bare"] if timed else []
    heads = ["questions", "way", "asked", *clock, "critical path / bare", "words / bare"]
    yield from _head(*heads, "parts present", "answers whole", "repeated", "cut", "divided")
    for group in GROUPS:
        of_group = [one for one in rows if one.question.group == group]
        base = {one.question.id: one for one in of_group if one.row.way == BASE}
        for way in NAMES:
            own = [one for one in of_group if one.row.way == way]
            if not own:
                continue
            pairs = [(one, base[one.question.id]) for one in own if one.question.id in base]
            cells = [group, way, str(len(own))]
            if timed:
                cells.append(_median(_ratio(to.row.seconds, one.row.seconds) for one, to in pairs))
                cells.append(_median(_ratio(one.row.first_text, to.row.first_text) for one, to in pairs))
            cells.append(_median(_ratio(_critical(one), _critical(to)) for one, to in pairs))
            cells.append(_median(_ratio(one.found.words, to.found.words) for one, to in pairs))
            cells.append(_share(own, lambda found: found.present, lambda found: found.asked))
            cells.append(_share(own, lambda found: int(not found.missing), lambda _: 1))
            cells.append(str(sum(one.found.repeated for one in own)))
            cells.append(str(sum(one.found.cut for one in own)))
            cells.append(f"{sum(one.row.answered.threads > 1 for one in own)} of {len(own)}")
            yield f"| {' | '.join(cells)} |"


def _every_row(rows: Sequence[Checked], timed: bool) -> Iterator[str]:
    clock = ["wall, s", "first text, s"] if timed else []
    heads = ["question", "way", *clock, "tokens", "critical path", "words", "parts", "repeated", "cut"]
    yield from _head(*heads, "at a limit", "threads")
    for one in rows:
        answered, found = one.row.answered, one.found
        cells = [one.question.id, one.row.way]
        if timed:
            cells += [_seconds(one.row.seconds), _seconds(one.row.first_text)]
        cells += [str(answered.tokens), str(answered.critical_tokens), str(found.words)]
        lacks = f" (no {', '.join(found.missing)})" if found.missing else ""
        cells += [f"{found.present} of {found.asked}{lacks}", str(found.repeated), str(found.cut)]
        why_not = answered.no_fork_reason if one.row.way != BASE else None
        cells += [str(answered.at_limit), str(answered.threads or why_not or 0)]
        yield f"| {' | '.join(cells)} |"


def _head(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "| " + " | ".join("---" if at < 2 else "---:" for at in range(len(names))) + " |"


def _critical(one: Checked) -> int:
    return one.row.answered.critical_tokens


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _median(ratios: Iterable[float | None]) -> str:
    known = [ratio for ratio in ratios if ratio is not None]
    return f"{statistics.median(known):.2f}" if known else ""


def _share(
    rows: Sequence[Checked], count: Callable[[Measured], int], among: Callable[[Measured], int]
) -> str:
    return f"{sum(count(one.found) for one in rows)} of {sum(among(one.found) for one in rows)}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
