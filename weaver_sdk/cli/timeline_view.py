"""A past run in the terminal: every lane over the time of the whole run."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from weaver_sdk.cli.cells import cut, one_line
from weaver_sdk.cli.drawing import Drawing, Line, cut_line
from weaver_sdk.cli.maths import readable
from weaver_sdk.cli.view import BOLD, DIM, MARK, PALETTE, STATE_STYLE, WHY
from weaver_sdk.telemetry.report import seconds_text
from weaver_sdk.telemetry.timeline import BlockLanes, CompletionSpan, Timeline, ticks, time_text

_NUMBERS = 19  # "  12.3 s  1,204 tok"
_MAIN = Style(color="white")


def draw_timeline(timeline: Timeline, width: int) -> Drawing:
    """Draw a run: the main line, then each block with its threads, bars over one axis of time.

    `░` is the time until the first token, `█` the time of writing.
    """
    total = max([timeline.seconds, *(span.ended for span in timeline.spans()), 1e-9])
    names = [
        one_line(readable(lane.outline)) + _why(lane.span)
        for block in timeline.blocks
        for lane in block.threads
    ]
    numbers = _NUMBERS if width >= 56 else 0
    name = min(max([9, *(cell_len(text) + 6 for text in names)]), max(9, (width - numbers) * 2 // 5))
    room = max(1, width - name - numbers - 1)
    lines: list[Line] = [_axis(total, name, room)]
    main = list(timeline.main)
    lines.append(_row("main line", BOLD, main, _MAIN, total, name, room, _numbers(main) if numbers else ""))
    for block in timeline.blocks:
        lines += _block(block, total, name, room, bool(numbers))
    for at, reason in timeline.retries:
        lines.append(
            [Segment(f"↻ {seconds_text(at)}: sent again: {one_line(reason)}", STATE_STYLE["repaired"])]
        )
    return Drawing([cut_line(line, width) for line in lines])


def _axis(total: float, name: int, room: int) -> Line:
    text = ""
    for mark in ticks(total, max(2, room // 10)):
        label = "│" + time_text(mark)
        place = int(mark / total * room)
        if place < len(text) or place + len(label) > room:
            continue
        text = text.ljust(place) + label
    return [Segment(" " * (name + 1)), Segment(text, DIM)]


def _block(block: BlockLanes, total: float, name: int, room: int, numbers: bool) -> list[Line]:
    indent = "  " if block.parent is not None else ""
    title = f"{indent}◆ fork {block.fork} · {seconds_text(block.joined - block.opened)}"
    lines: list[Line] = [[Segment(title, PALETTE[0])]]
    for lane in block.threads:
        colour = PALETTE[(lane.thread - 1) % len(PALETTE)]
        outline = one_line(readable(lane.outline))
        spans = list(lane.requests) or ([lane.span] if lane.span is not None else [])
        text = f" {_mark(lane.span)} {one_line(lane.label)} {outline}{_why(lane.span)}"
        cost = _numbers([lane.span] if lane.span is not None else []) if numbers else ""
        lines.append(_row(text, None, spans, colour, total, name, room, cost))
    return lines


def _row(
    text: str,
    style: Style | None,
    spans: list[CompletionSpan],
    colour: Style,
    total: float,
    name: int,
    room: int,
    cost: str,
) -> Line:
    line = [
        Segment(set_cell_size(cut(text, name), name) + " ", style),
        Segment(_bars(spans, total, room), colour),
    ]
    return [*line, Segment(cost, DIM)] if cost else line


def _numbers(spans: list[CompletionSpan]) -> str:
    seconds = sum(span.seconds for span in spans)
    tokens = sum(span.tokens for span in spans)
    return f"{seconds_text(seconds):>9}{tokens:>6,} tok"


def _bars(spans: list[CompletionSpan], total: float, room: int) -> str:
    cells = [" "] * room
    for span in spans:
        if not span.tokens and span.ended <= span.started:
            continue  # text of the client's own
        first = span.ended if span.first is None else span.first
        start = min(room - 1, int(span.started / total * room))
        write = min(room, max(start, int(first / total * room)))
        end = min(room, max(start + 1, round(span.ended / total * room)))
        cells[start:end] = ["░"] * (min(write, end) - start) + ["█"] * (end - min(write, end))
    return "".join(cells[:room])


def _mark(span: CompletionSpan | None) -> str:
    if span is None:
        return MARK["waiting"]
    if span.outcome in ("length", "error", "timeout", "cancelled", None):
        return MARK["cut"]
    return MARK["repaired" if span.repairs or span.outcome != "done" else "done"]


def _why(span: CompletionSpan | None) -> str:
    if span is None:
        return " (never started)"
    if span.outcome is None:
        return " (not ended)"
    return "" if span.outcome == "done" else f" ({WHY[span.outcome]})"
