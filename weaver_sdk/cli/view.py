"""The picture of a run: a board, a width and a height in; a drawing out, never wider or higher than asked.

While a block is open its threads stand in a grid: side by side where each gets 30 columns, in several rows
where not, one line each where there are many, and the busiest ones where even that is too much.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from weaver_sdk.cli.cells import cut, cut_head, last_lines, one_line, safe
from weaver_sdk.cli.drawing import Drawing, Line, beside, cut_line, fitting, line_width, spread
from weaver_sdk.cli.lanes import Block, Board, Lane, LaneState, Passage
from weaver_sdk.cli.maths import readable
from weaver_sdk.result import Outcome
from weaver_sdk.telemetry.report import count_text, seconds_text

NARROWEST = 30
"""Columns that a lane needs to stand beside others."""
ENOUGH = 10
"""Lines in which the main line finds a place below the lanes."""
MOST_LINES = 8
"""Lines of text a lane shows at most: more makes the eye jump."""

DIM = Style(dim=True)
BOLD = Style(bold=True)
PALETTE = [
    Style(color=name) for name in ("cyan", "magenta", "blue", "bright_cyan", "bright_magenta", "bright_blue")
]
STATE_STYLE: dict[LaneState, Style] = {
    "waiting": DIM,
    "running": Style(color="bright_white", bold=True),
    "done": Style(color="green"),
    "repaired": Style(color="yellow"),
    "cut": Style(color="red"),
}
MARK: dict[LaneState, str] = {"waiting": "○", "running": "●", "done": "✓", "repaired": "~", "cut": "✗"}
WHY: dict[Outcome, str] = {
    "length": "cut at its length",
    "eos": "ended early",
    "empty": "wrote nothing",
    "error": "failed",
    "timeout": "timed out",
    "cancelled": "stopped",
}
"""What a user reads about a thread that did not end by its own closing tag."""


def draw(board: Board, width: int, height: int, now: float, *, settled: bool = False) -> Drawing:
    """Draw what is going on at `now` seconds, at most `width` columns wide and `height` lines high.

    Args:
        settled: draw the last settled text of the main line, too, where it does not stand above the drawing.
    """
    if width <= 0 or height <= 0:
        return Drawing([])
    room = height - 1  # the last line is the status
    blocks = board.outer_blocks
    lines: list[Line] = []
    if blocks and room > 0:
        # the main line may go on beside threads that were spawned
        beside_them = _main_line(board, width, 2, False) if room >= ENOUGH else []
        answer = bool(beside_them) and board.main.answering
        if answer:
            beside_them = [[], *_main_line(board, width, room // 3, False)]
        lines += draw_lanes(board, width, room - len(beside_them), now).lines
        if answer:  # it is read while it grows, so it gets what the lanes leave over
            beside_them = [[], *_main_line(board, width, room - 1 - len(lines), False)]
        lines += beside_them
    elif room > 0:
        whole = settled or board.main.answering
        lines += _main_line(board, width, room if whole else min(room, MOST_LINES), settled)
    return Drawing([*lines[:room], _status(board, width, now)])


def draw_lanes(board: Board, width: int, height: int, now: float) -> Drawing:
    """Draw the open blocks alone: a title, and their threads in a grid."""
    blocks = board.outer_blocks
    lanes = [lane for block in blocks for lane in board.lanes_of(block)]
    return Drawing([_title(blocks, lanes, width, now), *_grid(lanes, width, height - 1, now)])


def fold(board: Board, block: Block, width: int) -> Drawing:
    """Draw a joined block: a title, and one line a thread with a bar of its time."""
    lanes = list(board.lanes_of(block))
    ended = block.joined if block.joined is not None else board.at
    lines = [_title([block], lanes, width, ended)]
    names = [_name(lane, block) for lane in lanes]
    label = min(8, max(map(len, names), default=1))
    words = [one_line(readable(lane.outline)) + _because(lane) for lane in lanes]
    numbers = width >= 48
    right = 18 if numbers else 8  # "  12.3 s 1,204 tok"
    bar = 0 if width < 60 else min(40, (width - right) // 3)
    text = max(0, width - right - label - 6 - (bar + 2 if bar else 0))
    text = min(text, max(map(cell_len, words), default=0))
    if bar:
        bar = min(60, width - right - label - 8 - text)  # what the outlines leave over
    for place, lane in enumerate(lanes):
        colour = PALETTE[place % len(PALETTE)]
        line = [
            Segment(f" {names[place][:label]:>{label}} ", colour),
            Segment(f"{MARK[lane.state]} ", STATE_STYLE[lane.state]),
            Segment(set_cell_size(cut(words[place], text), text) + "  "),
        ]
        if bar:
            line.append(Segment(_bar(lane, block.opened, ended, bar) + "  ", colour))
        line.append(Segment(f"{seconds_text(lane.seconds(ended)):>8}", DIM))
        if numbers:
            line.append(Segment(f"{lane.tokens:>6,} tok", DIM))
        lines.append(line)
    return Drawing([cut_line(line, width) for line in lines])


def _title(blocks: list[Block], lanes: list[Lane], width: int, now: float) -> Line:
    outer = sum(len(block.lanes) for block in blocks)
    tokens = sum(lane.tokens for lane in lanes)
    named = f"fork {blocks[0].fork}" if len(blocks) == 1 else count_text(len(blocks), "fork")
    left = [Segment("◆ ", PALETTE[0]), Segment(named, BOLD)]
    left.append(Segment(f" · {count_text(outer, 'thread')}", DIM))
    joined = blocks[0].joined
    elapsed = max(0.0, (now if joined is None else joined) - blocks[0].opened)
    room = width - line_width(left) - 2
    return spread(
        left, [Segment(fitting([seconds_text(elapsed), count_text(tokens, "token")], room), DIM)], width
    )


def _grid(lanes: list[Lane], width: int, height: int, now: float) -> list[Line]:
    if height <= 0 or not lanes:
        return []
    side_by_side = max(1, (width + 1) // (NARROWEST + 1))
    rows = -(-len(lanes) // side_by_side)
    columns = -(-len(lanes) // rows)
    left_over = ""
    shown = list(enumerate(lanes))
    if rows > height:  # not even a line each
        columns, rows = side_by_side, max(1, height - 1)
        shown = _busiest(lanes, rows * columns)
        left_over = _rest(lanes, {place for place, _ in shown})
    deep = min(height // rows, MOST_LINES + 2)
    widths = [(width - columns + 1) // columns] * columns
    lines: list[Line] = []
    for start in range(0, len(shown), columns):
        row = shown[start : start + columns]
        cells = [_cell(lane, PALETTE[place % len(PALETTE)], widths[0], deep, now) for place, lane in row]
        lines += beside(cells, widths[: len(cells)])
    if left_over and len(lines) < height:
        lines.append([Segment(cut(left_over, width), DIM)])
    return lines[:height]


def _cell(lane: Lane, colour: Style, width: int, height: int, now: float) -> list[Line]:
    """One lane in the grid: two lines of heading and its last words, or all of it in one line."""
    outline = one_line(readable(lane.outline))
    name = Segment(f"{lane.label} ", colour + BOLD)
    mark = Segment(f"{MARK[lane.state]} ", STATE_STYLE[lane.state])
    bar = Segment("▌", colour)
    if height < 3:
        counts = [Segment(f"{lane.tokens:,} tok" if lane.started is not None else "waiting", DIM)]
        lines = [spread([bar, mark, name, Segment(cut(outline, max(8, width - 16)))], counts, width)]
        if height == 2:
            lines.append(cut_line([bar, Segment(" " + cut_head(one_line(lane.text), width - 2), DIM)], width))
        return lines
    lines = [
        cut_line([bar, name, Segment(outline, BOLD)], width),
        cut_line([bar, mark, *_doing(lane, now, width - 3)], width),
    ]
    text = last_lines(readable(safe(lane.text)), width - 2, height - 2)
    lines += [cut_line([bar, Segment(" " + line)], width) for line in text]
    return lines


def _doing(lane: Lane, now: float, room: int) -> Line:
    state = lane.state
    word: str = "sent again" if lane.retrying else state
    if lane.outcome is not None and lane.outcome != "done":
        word = WHY[lane.outcome]
    elif lane.planning and not lane.retrying:
        word = "planning"
    elif state == "running" and lane.first is None and not lane.retrying:
        word = "reading"  # the request is sent, no text has come yet
    line: Line = [Segment(word, STATE_STYLE[state])]
    if lane.started is None:
        return line
    rate = lane.rate(now)
    numbers = [f"{lane.tokens:,} tok", f"{rate:.0f} tok/s" if rate else "", seconds_text(lane.seconds(now))]
    if words := fitting(filter(None, numbers), room - len(word) - 3):
        line.append(Segment(f" · {words}", DIM))
    return line


def _main_line(board: Board, width: int, height: int, settled: bool) -> list[Line]:
    shown = board.main.shown
    if settled:
        passages = [item.text for item in board.settled[-height:] if isinstance(item, Passage)]
        shown = "".join([*passages, shown])
    planning = [_planning(board.main.titles, width)] if board.main.planning else []
    style = None if board.main.answering else DIM
    text = last_lines(readable(safe(shown)), width, height - len(planning))
    return [*([Segment(line, style)] for line in text), *planning]


def _planning(titles: list[str], width: int) -> Line:
    words = " · ".join(["planning", *(one_line(readable(title)) for title in titles)])
    return cut_line([Segment("◇ ", PALETTE[0]), Segment(words, DIM)], width)


def _status(board: Board, width: int, now: float) -> Line:
    parts = [seconds_text(now)]
    if board.first is None:
        if not board.main.planning:
            parts.insert(0, "waiting for the model")
    else:
        parts.append(count_text(board.tokens, "token"))
        if now - board.first > 0.2:
            parts.append(f"{board.tokens / (now - board.first):.0f} tok/s")
    if board.notes:
        parts.append(one_line(board.notes[-1]))
    words = fitting(parts, width - 2) or cut(parts[0], width - 2)
    return spread([Segment("▸ ", PALETTE[0]), Segment(words, DIM)], [Segment("Ctrl-C stops", DIM)], width)


def _name(lane: Lane, block: Block) -> str:
    return one_line(lane.label) if lane.fork == block.fork else f"›{one_line(lane.label)}"


def _because(lane: Lane) -> str:
    if lane.outcome in (None, "done"):
        return f" ({lane.repairs[0].replace('_', ' ')})" if lane.state == "repaired" else ""
    why = WHY[lane.outcome] if lane.outcome is not None else ""
    return f" ({why}: {one_line(lane.error)})" if lane.error else f" ({why})"


_EIGHTHS = " ▏▎▍▌▋▊▉"


def _bar(lane: Lane, opened: float, ended: float, width: int) -> str:
    """The stretch of the block's time in which the thread ran, to an eighth of a column."""
    span = max(ended - opened, 1e-9)
    if lane.started is None:
        return " " * width
    start = min(width - 1, max(0, int((lane.started - opened) / span * width)))
    end = (lane.started + lane.seconds(ended) - opened) / span * width
    eighths = max(1, min((width - start) * 8, round((end - start) * 8)))
    text = " " * start + "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return text.ljust(width)


def _busiest(lanes: list[Lane], count: int) -> list[tuple[int, Lane]]:
    """The lanes to show when there is no room for all: running ones before finished before waiting."""
    order = {"running": 0, "cut": 1, "repaired": 1, "done": 2, "waiting": 3}
    ranked = sorted(enumerate(lanes), key=lambda item: order[item[1].state])
    return sorted(ranked[: max(1, count)], key=lambda item: item[0])


def _rest(lanes: list[Lane], shown: set[int]) -> str:
    hidden: dict[str, int] = {}
    for place, lane in enumerate(lanes):
        if place not in shown:
            hidden[lane.state] = hidden.get(lane.state, 0) + 1
    return "… and " + ", ".join(f"{count} {state}" for state, count in hidden.items()) if hidden else ""
