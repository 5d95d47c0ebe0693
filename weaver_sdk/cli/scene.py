"""One run on a screen: what is settled goes to the scrollback, what is going on is drawn below it."""

from __future__ import annotations

from typing import Literal

from rich.markdown import Markdown
from rich.segment import Segment

from weaver_sdk.cli.cells import safe, wrap
from weaver_sdk.cli.drawing import Drawing
from weaver_sdk.cli.lanes import Board, Passage
from weaver_sdk.cli.maths import readable
from weaver_sdk.cli.screen import Screen
from weaver_sdk.cli.view import DIM, draw, draw_lanes, fold

Reasoning = Literal["show", "fold", "hide"]
"""`show` keeps the reasoning in the scrollback, `fold` keeps the blocks alone, `hide` shows a status line."""


class Scene:
    """Draws a board that grows, and remembers what of it is already printed."""

    def __init__(self, board: Board, screen: Screen, reasoning: Reasoning = "show") -> None:
        self.board = board
        self.screen = screen
        self.reasoning = reasoning
        self._printed = 0
        self._resting = False

    def rest(self) -> None:
        """Take the drawing away and print nothing until `close`: something else may write below it."""
        self._resting = True
        self.screen.clear()

    def paint(self, now: float) -> None:
        """Print what is newly settled; draw what is going on at `now` seconds."""
        if self._resting:
            return
        self._print_settled()
        if self.screen.live:
            height = 1 if self.reasoning == "hide" else self.screen.height
            self.screen.show(draw(self.board, self.screen.width, height, now))

    def keep(self, now: float) -> None:
        """Leave the open lanes in the scrollback as they stand: the run is being stopped."""
        if self._resting:
            return
        self._print_settled()
        if self.reasoning != "hide" and self.board.outer_blocks:
            height = max(7, self.screen.height - 1)
            self.screen.print(draw_lanes(self.board, self.screen.width, height, now))

    def close(self) -> None:
        """Print the rest and take the drawing away."""
        self._print_settled()
        self.screen.clear()

    def _print_settled(self) -> None:
        fresh = self.board.settled[self._printed :]
        self._printed += len(fresh)
        if self.reasoning == "hide":
            return
        for item in fresh:
            if not isinstance(item, Passage):
                self.screen.print(fold(self.board, self.board.blocks[item.fork], self.screen.width))
            elif self.reasoning == "show":
                self.screen.print(passage(item.text, self.screen.width))


def passage(text: str, width: int) -> Drawing:
    """Return reasoning as it stands in the scrollback."""
    return Drawing([[Segment(line, DIM)] for line in wrap(readable(safe(text)).rstrip("\n"), width)])


def answer(text: str) -> Markdown:
    """Return an answer as Markdown with readable maths; links show their address, HTML stays text."""
    return Markdown(readable(safe(text), boxed="**{}**"), hyperlinks=False)
