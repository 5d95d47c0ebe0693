"""Text to trajectory, for any text: lenient, linear and lossless."""

from __future__ import annotations

import re

from weaver_sdk.markup.boxes import has_box
from weaver_sdk.markup.dialect import DEEPEST_BLOCK, Dialect
from weaver_sdk.markup.outlines import Outline, read_list
from weaver_sdk.markup.scanner import Tag, scan
from weaver_sdk.markup.stitching import fill_seed
from weaver_sdk.markup.trajectory import Block, BlockThread, Part, Trajectory
from weaver_sdk.result import Repair, RepairKind

_LABEL = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,3})*):")


def parse(text: str, dialect: Dialect) -> Trajectory:
    """Read a trajectory: never raises, and `parse(text, dialect).stitch() == text` for any text.

    - A block begins at its own tag; if that is missing, at its outlines or its first thread. It ends with its
      closing tag; if other markup comes first, after its last thread (`unclosed_block`).
    - A list of outlines ends at its closing tag, or before the first tag that is not an outline's
      (`unclosed_outlines`). How it is read: `read_outlines`.
    - A thread ends at its closing tag, before the next thread (`thread_opened_thread`), or at the end of the
      text (`thread_ended_early`).
    - `</Parallel>` and `</think>` inside a thread are part of its text if the thread is closed later, before
      other threads and blocks; otherwise they end it (`thread_closed_block`, `thread_closed_think`).
    - Blocks inside threads are read down to 32 levels; deeper ones are text (`thread_opened_block`).
    - Any other tag is plain text (`stray_tag`).
    - Each kind of repair is noted once per thread, once per block, and once for the main line.
    """
    return _Parser(text, dialect).trajectory()


class _Parser:
    """A cursor over the tags of one text. A method that reads leaves the cursor after what it read."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text = text
        self._dialect = dialect
        self._tags = [token for token in scan(text, dialect) if isinstance(token, Tag)]
        self._closed_later = self._look_ahead()
        self._next = 0  # index of the next tag
        self._at = 0  # offset after what was read
        self._forks = 0
        self._repairs: dict[tuple[RepairKind, int | None, int | None], Repair] = {}

    def _look_ahead(self) -> list[bool]:
        """For each tag: whether a thread is closed after it, before any thread or block opens."""
        closed = False
        ahead: list[bool] = []
        for tag in reversed(self._tags):
            ahead.append(closed)
            if tag.name == "thread":
                closed = tag.closing
            elif self._opens_block(tag):
                closed = False
        return ahead[::-1]

    def _opens_block(self, tag: Tag) -> bool:
        return tag.name in ("block", "outlines") and not tag.closing

    def _peek(self) -> Tag | None:
        return self._tags[self._next] if self._next < len(self._tags) else None

    def _take(self) -> Tag:
        tag = self._tags[self._next]
        self._next += 1
        self._at = tag.end
        return tag

    def _note(self, kind: RepairKind, done: str, fork: int | None = None, thread: int | None = None) -> None:
        repair = Repair(kind=kind, done=done, fork=fork, thread=thread)
        self._repairs.setdefault((kind, fork, thread), repair)

    def _note_spelling(self, tag: Tag, fork: int | None = None) -> None:
        if not tag.exact:
            self._note("tag_spelling", "tags with different letter case were read as tags", fork)

    def trajectory(self) -> Trajectory:
        parts: list[Part] = []
        thinking, answer_start, plain = False, None, 0
        while tag := self._peek():
            if self._opens_block(tag) or (tag.name == "thread" and not tag.closing):
                parts.append(self._text[plain : tag.start])
                parts.append(self._block(depth=1))
                plain = self._at
                continue
            self._take()
            self._note_spelling(tag)
            if tag.name != "think":
                self._note("stray_tag", "left in the text unchanged")
            else:
                thinking = not tag.closing
                answer_start = tag.end if tag.closing else answer_start
        if thinking:
            self._note("unclosed_think", "the reasoning was read to the end of the text")
        parts.append(self._text[plain:])
        kept = tuple(part for part in parts if part)
        return Trajectory(kept, tuple(self._repairs.values()), answer_start)

    def _block(self, depth: int) -> Block:
        self._forks += 1
        fork = self._forks
        tag = self._peek()
        assert tag is not None
        start = tag.start
        opened = tag.name == "block"
        if opened:
            self._note_spelling(self._take(), fork)
        elif self._dialect.block is not None:
            self._note("missing_block_tag", f"read as if {self._dialect.block[0]} stood before it", fork)
        outlines = self._outlines(fork)
        self._at = max(self._at, start)  # nothing read yet if it begins with a thread
        head = self._text[start : self._at]

        threads: list[BlockThread] = []
        while (end := self._seek_end()) is not None and not self._tags[end].closing:
            threads.append(self._thread(end, fork, outlines, len(threads), depth))
        closing = ""
        if end is not None:
            last = self._tags[end]
            closing = self._text[self._at : last.end]
            for tag in self._tags[self._next : end + 1]:
                self._note_spelling(tag, fork)
                if tag.name not in ("block", "conclusion"):
                    self._note("stray_tag", "left in the text unchanged", fork)
            self._next, self._at = end + 1, last.end
        elif self._closing_pair() is not None:
            self._note("unclosed_block", "the block was ended after its last thread", fork)
        if not outlines:
            self._note("unreadable_outlines", "the block has no readable outlines", fork)
        elif [thread.label for thread in threads] != [outline.label for outline in outlines]:
            self._note("outline_numbers", "threads do not match the outlines; kept unchanged", fork)
        return Block(head, outlines, tuple(threads), closing)

    def _outlines(self, fork: int) -> tuple[Outline, ...]:
        """Read the list of outlines if one comes next."""
        tag = self._peek()
        if tag is None or tag.name != "outlines" or tag.closing:
            return ()
        self._note_spelling(self._take(), fork)
        start = self._at
        while (tag := self._peek()) and tag.name == "outline":
            self._take()
        end = tag.start if tag else len(self._text)
        if tag and tag.name == "outlines" and tag.closing:
            self._note_spelling(self._take(), fork)
        else:
            self._at = end
            self._note("unclosed_outlines", "the outlines were ended before other markup", fork)
        found = read_list(scan(self._text[start:end], self._dialect), self._dialect)
        for repair in found.repairs:
            self._note(repair.kind, repair.done, fork)
        return found.outlines

    def _closing_pair(self) -> str | None:
        """Return which pair's closing tag ends a block."""
        if self._dialect.block is not None:
            return "block"
        return "conclusion" if self._dialect.conclusion is not None else None

    def _seek_end(self) -> int | None:
        """Return the index of the tag that opens the next thread of the block, or that closes the block."""
        for index in range(self._next, len(self._tags)):
            tag = self._tags[index]
            if tag.name == "thread":
                return None if tag.closing else index
            if tag.name == self._closing_pair() and tag.closing:
                return index
            if tag.name == "think" or self._opens_block(tag):
                return None
        return None

    def _thread(
        self, index: int, fork: int, outlines: tuple[Outline, ...], place: int, depth: int
    ) -> BlockThread:
        """Read the thread that the tag at `index` opens; `place` counts the threads before it."""
        number = place + 1
        gap = self._text[self._at : self._tags[index].start]
        if index > self._next:
            self._note("stray_tag", "left in the text unchanged", fork)
        self._next = index
        opening, label = self._seed(outlines[place] if place < len(outlines) else None)
        self._note_spelling(self._take(), fork)
        plain = self._at = self._tags[index].start + len(opening)
        parts: list[Part] = []
        end, closing = len(self._text), ""
        while tag := self._peek():
            if tag.name == "thread":
                end = tag.start
                if tag.closing:
                    closing = tag.text
                    self._note_spelling(self._take(), fork)
                else:
                    self._note("thread_opened_thread", "ended before the next thread", fork, number)
                break
            if self._opens_block(tag) and depth < DEEPEST_BLOCK:
                parts.append(self._text[plain : tag.start])
                parts.append(self._block(depth + 1))
                plain = self._at
                continue
            if not self._stays_inside(tag, fork, number):
                end = tag.start
                break
            self._take()
        else:
            self._note("thread_ended_early", "ended at the end of the text", fork, number)
        if not closing:
            self._at = end
        parts.append(self._text[plain:end])
        kept = tuple(part for part in parts if part)
        if not any(isinstance(part, Block) or part.strip() for part in kept):
            self._note("thread_empty", "kept unchanged", fork, number)
        if any(isinstance(part, str) and has_box(part) for part in kept):
            self._note(
                "thread_wrote_answer", "its box is the result of a sub-task, not the answer", fork, number
            )
        return BlockThread(gap, opening, label, kept, closing)

    def _seed(self, outline: Outline | None) -> tuple[str, str]:
        """Return what opens the thread at the cursor, and its number."""
        tag = self._tags[self._next]
        if outline is not None:
            seed = fill_seed(self._dialect, outline)
            if self._text.startswith(seed, tag.start):
                return seed, outline.label
        found = _LABEL.match(self._text, tag.end)
        return (self._text[tag.start : found.end()], found[1]) if found else (tag.text, "")

    def _stays_inside(self, tag: Tag, fork: int, thread: int) -> bool:
        """Whether a tag that does not belong in a thread is still read as part of its text."""
        inside = self._closed_later[self._next]
        done = "left in its text" if inside else "ended it"
        if tag.closing and tag.name == "think":
            self._note("thread_closed_think", done, fork, thread)
            return inside
        if tag.closing and tag.name == self._closing_pair():
            self._note("thread_closed_block", done, fork, thread)
            return inside
        if self._opens_block(tag):
            self._note(
                "thread_opened_block", f"blocks more than {DEEPEST_BLOCK} levels deep are text", fork, thread
            )
        else:
            self._note("stray_tag", "left in its text", fork, thread)
        return True
