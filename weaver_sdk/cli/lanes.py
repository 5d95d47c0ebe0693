"""From events to what there is to show: the main line, the open block with its lanes, what is settled.

`Board.apply` folds one event in and touches no clock and no terminal, so that a recorded run, a live one and
a test are the same thing. It costs microseconds: it runs for every token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from weaver_sdk.cli.main_line import MainLine, plans
from weaver_sdk.events import Event
from weaver_sdk.options import Mode
from weaver_sdk.result import Outcome, RepairKind, Result, final_text

LaneState = Literal["waiting", "running", "done", "repaired", "cut"]
"""`repaired`: mended and joined whole. `cut`: stopped short by a limit, an error or the user."""

_THOUGHT = re.compile(r"<think>.*?</think>\s*", re.DOTALL)  # some think in the text of their reply
_TAIL = 4_000  # characters of a thread that are kept for its last lines
_WHOLE: frozenset[Outcome] = frozenset({"done", "eos", "empty"})
_HARMLESS: frozenset[RepairKind] = frozenset({"thread_wrote_answer"})


@dataclass(slots=True)
class Lane:
    """One thread of a block. Times are seconds since the run began."""

    fork: int
    thread: int
    label: str
    outline: str
    text: str = ""
    """The end of what the thread wrote."""
    tokens: int = 0
    """Pieces of text received while it runs; the count of the runtime once it is finished."""
    started: float | None = None
    first: float | None = None
    """When its first text came."""
    ended: float | None = None
    outcome: Outcome | None = None
    error: str | None = None
    retrying: bool = False
    planning: bool = False
    """It is dividing its own work."""
    repairs: list[RepairKind] = field(default_factory=list)

    @property
    def state(self) -> LaneState:
        """What the lane is doing."""
        if self.outcome is None:
            return "waiting" if self.started is None else "running"
        if self.outcome not in _WHOLE:
            return "cut"
        mended = self.outcome != "done" or any(kind not in _HARMLESS for kind in self.repairs)
        return "repaired" if mended else "done"

    def seconds(self, now: float) -> float:
        """Return the seconds since the thread's request was sent, or those it took."""
        if self.started is None:
            return 0.0
        return max(0.0, (now if self.ended is None else self.ended) - self.started)

    def rate(self, now: float) -> float | None:
        """Return tokens a second since the first one came; `None` while that means nothing."""
        if self.first is None or self.tokens < 2:
            return None
        span = (now if self.ended is None else self.ended) - self.first
        return self.tokens / span if span >= 0.05 else None


@dataclass(slots=True)
class Block:
    """A fork on the board."""

    fork: int
    lanes: list[Lane]
    opened: float
    parent: tuple[int, int] | None = None
    joined: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Text of the main line that will not change any more."""

    text: str


@dataclass(frozen=True, slots=True)
class Folded:
    """A block that was joined."""

    fork: int


@dataclass(slots=True)
class Board:
    """All that the view draws from."""

    problem: str = ""
    model: str = ""
    mode: Mode = "parallel"
    at: float = 0.0
    """The time of the last event, seconds since the run began."""
    tokens: int = 0
    """Tokens so far; counted in pieces of text until the run is finished."""
    first: float | None = None
    """When the first text came."""
    blocks: dict[int, Block] = field(default_factory=dict)
    settled: list[Passage | Folded] = field(default_factory=list)
    """What is over, in order of time; it only grows."""
    notes: list[str] = field(default_factory=list)
    """What a user should know that no lane can show, in order of time."""
    result: Result | None = None
    main: MainLine = field(default_factory=MainLine)
    """What of the main line is not settled."""
    _blank: bool = False

    @property
    def open_blocks(self) -> list[Block]:
        """The blocks whose threads are not joined yet, in the order in which they were opened."""
        return [block for block in self.blocks.values() if block.joined is None]

    @property
    def outer_blocks(self) -> list[Block]:
        """Those of them that lie in no other one: several, where threads were spawned."""
        return [block for block in self.open_blocks if block.parent is None]

    @property
    def said(self) -> str:
        """What the user reads: the answer as it was shown, else what was found in the text."""
        shown = _THOUGHT.sub("", self.main.answer).rpartition("</think>")[2].strip()
        return shown or (final_text(self.result) if self.result is not None else "")

    def lanes_of(self, block: Block) -> Iterator[Lane]:
        """Yield the lanes of a block, each followed by the lanes of the blocks that it opened itself."""
        for lane in block.lanes:
            yield lane
            for inner in self.blocks.values():
                if inner.parent == (lane.fork, lane.thread):
                    yield from self.lanes_of(inner)

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        self.at = max(self.at, event.at)
        match event.kind:
            case "segment_delta":
                if self.main.asking or not self.open_blocks:  # else the program itself writes
                    self._count(event.at)
                self._settle(self.main.add(event))
            case "request_started":
                if event.thread is None:
                    self.main.request(event.request, event.phase)
                elif lane := self._lane(event.fork, event.thread):
                    lane.planning = event.phase == "plan"
            case "request_finished":
                self.main.requested(event.request)
            case "plan_ready":
                if event.thread is None:
                    self.main.planned()
                elif lane := self._lane(event.fork, event.thread):
                    lane.planning = False
            case "thread_delta":
                self._count(event.at)
                if lane := self._lane(event.fork, event.thread):
                    if event.kept and event.phase != "plan":
                        lane.text = (lane.text + event.reasoning + event.text)[-_TAIL:]
                    lane.planning = plans(event)
                    lane.tokens += 1
                    lane.retrying = False
                    if lane.first is None:
                        lane.first = event.at
            case "thread_started":
                if lane := self._lane(event.fork, event.thread):
                    lane.started = event.at
            case "thread_finished":
                if lane := self._lane(event.fork, event.thread):
                    lane.ended, lane.outcome, lane.error = event.at, event.outcome, event.error
                    lane.planning = False
                    self.tokens += event.tokens - lane.tokens
                    lane.tokens = event.tokens
            case "fork_opened":
                if event.parent is None:
                    self._settle(self.main.close())
                elif outer := self._lane(*event.parent):
                    outer.planning = False
                lanes = [
                    Lane(event.fork, place, label, outline)
                    for place, (label, outline) in enumerate(
                        zip(event.labels, event.outlines, strict=True), 1
                    )
                ]
                self.blocks[event.fork] = Block(event.fork, lanes, event.at, event.parent)
            case "joined":
                self._join(event.fork, event.at)
                if event.parent is None and event.phase == "answer":
                    self.main.say(event.text)
            case "repaired":
                repair = event.repair
                lane = self._lane(repair.fork, repair.thread)
                if lane is not None:
                    lane.repairs.append(repair.kind)
                else:
                    self.notes.append(repair.done)
            case "retried":
                lane = self._lane(event.fork, event.thread)
                if lane is not None:
                    lane.retrying = True
                self.notes.append(f"{event.reason}; attempt {event.attempt} in {event.delay:.1f} s")
            case "run_started":
                self.problem, self.model, self.mode = event.problem, event.model, event.mode
            case "run_finished":
                self.finish(event.result)

    def finish(self, result: Result | None) -> None:
        """Settle all that is left: the run is over, or was left early."""
        for block in self.open_blocks:
            for lane in block.lanes:
                if lane.outcome is None:
                    lane.outcome, lane.ended = "cancelled", self.at
            self._join(block.fork, self.at)
        self._settle(self.main.close())
        if result is not None:
            self.result = result
            self.tokens = result.telemetry.total_tokens

    def _join(self, fork: int, at: float) -> None:
        block = self.blocks.get(fork)
        if block is None or block.joined is not None:
            return
        block.joined = at
        if block.parent is None:
            self.settled.append(Folded(fork))

    def _settle(self, lines: str) -> None:
        """Settle whole lines: one blank line at most between others, none at a beginning."""
        if not lines:
            return
        kept: list[str] = []
        follows = bool(self.settled) and isinstance(self.settled[-1], Passage)
        for line in lines.split("\n")[:-1]:
            if line.strip():
                kept.append(("\n" if self._blank and (kept or follows) else "") + line + "\n")
            self._blank = not line.strip()
        if kept:
            self.settled.append(Passage("".join(kept)))

    def _count(self, at: float) -> None:
        self.tokens += 1
        if self.first is None:
            self.first = at

    def _lane(self, fork: int | None, thread: int | None) -> Lane | None:
        block = self.blocks.get(fork) if fork is not None else None
        if block is None or thread is None or not 1 <= thread <= len(block.lanes):
            return None
        return block.lanes[thread - 1]
