"""Two runs of one question, side by side: the parallel mode against the sequential one."""

from __future__ import annotations

from rich.segment import Segment

from weaver_sdk.cli.cells import one_line
from weaver_sdk.cli.drawing import Drawing, Line, beside, cut_line, spread
from weaver_sdk.cli.lanes import Board
from weaver_sdk.cli.maths import readable
from weaver_sdk.cli.screen import Screen
from weaver_sdk.cli.view import BOLD, DIM, PALETTE, STATE_STYLE, draw, fold
from weaver_sdk.telemetry.report import count_text, seconds_text

NARROWEST = 40
"""Columns that a run needs to stand beside the other."""


class Race:
    """Draws several boards at once."""

    def __init__(self, boards: list[Board], screen: Screen) -> None:
        self.boards = boards
        self.screen = screen

    def paint(self, now: float) -> None:
        """Draw every run."""
        if self.screen.live:
            self.screen.show(draw_race(self.boards, self.screen.width, self.screen.height, now))

    def keep(self, now: float) -> None:
        """Leave the picture in the scrollback."""
        self.screen.print(draw_race(self.boards, self.screen.width, max(8, self.screen.height), now))

    def close(self) -> None:
        """Leave the folded blocks and the outcome in the scrollback."""
        for board in self.boards:
            for block in board.blocks.values():
                if block.parent is None:
                    self.screen.print(fold(board, block, self.screen.width))
        self.screen.print(draw_outcome(self.boards, self.screen.width))


def draw_race(boards: list[Board], width: int, height: int, now: float) -> Drawing:
    """Draw runs side by side, or one above the other where the width is too small."""
    count = len(boards)
    if not count or width <= 0 or height <= 0:
        return Drawing([])
    if width >= count * (NARROWEST + 2):
        each = (width - 2 * (count - 1)) // count
        blocks = [_one(board, each, height, now) for board in boards]
        return Drawing(beside(blocks, [each] * count, gap=2)[:height])
    share = max(1, height // count)
    lines = [line for board in boards for line in _one(board, width, share, now)]
    return Drawing(lines[:height])


def draw_outcome(boards: list[Board], width: int) -> Drawing:
    """Draw who ended first, what it took, and what was answered."""
    ended = [board for board in boards if board.result is not None and board.result.finish != "cancelled"]
    if len(ended) < 2:
        return Drawing([])
    ranked = sorted(ended, key=lambda board: board.result.telemetry.wall_seconds if board.result else 0.0)
    slowest = max(board.result.telemetry.wall_seconds for board in ranked if board.result)
    lines: list[Line] = []
    for place, board in enumerate(ranked):
        if board.result is None:
            continue
        wall = board.result.telemetry.wall_seconds
        answer = board.result.answer
        words = "no answer" if answer is None else one_line(readable(answer))
        won = place == 0 and wall > 0
        line = [
            Segment(f" {place + 1} ", PALETTE[0]),
            Segment(f"{board.mode:<10}", BOLD),
            Segment(f" {seconds_text(wall):>8} {count_text(board.tokens, 'token'):>14}", DIM),
        ]
        if won:
            line.append(Segment(f"  first, {slowest / wall:.2f}× as fast", STATE_STYLE["done"]))
        lines.append(cut_line([*line, Segment(f"  → {words}")], width))
    return Drawing(lines)


def _one(board: Board, width: int, height: int, now: float) -> list[Line]:
    finished = board.result is not None
    title = spread(
        [Segment("▌", PALETTE[0]), Segment(board.mode, BOLD)],
        [Segment("done" if finished else "", STATE_STYLE["done"])],
        width,
    )
    if height < 2:
        return [title]
    if not finished:
        return [title, *draw(board, width, height - 1, now, settled=True).lines]
    assert board.result is not None
    answer = "no answer" if board.result.answer is None else one_line(readable(board.result.answer))
    cost = f"{seconds_text(board.result.telemetry.wall_seconds)} · {count_text(board.tokens, 'token')}"
    return [title, cut_line([Segment(f"→ {answer}")], width), cut_line([Segment(cost, DIM)], width)][:height]
