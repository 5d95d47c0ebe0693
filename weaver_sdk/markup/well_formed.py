"""The strict form of a trajectory: what models are trained on, and what a format rate measures.

- `<think>` comes first, after white space at most, and `</think>` closes it. All blocks stand between them;
  there may be none. What follows `</think>` holds no tag, and may be empty. A dialect that does not reason
  inside these tags has neither, and its blocks may stand anywhere.
- A block is its opening tag, the outlines, one thread per outline in the same order, a conclusion if the
  dialect has one, and its closing tag. Outlines and threads are numbered 1, 2, 3 … without a gap, up to 50.
- No outline and no thread is empty or holds a tag, except for blocks inside threads, down to `max_depth`.
- Tags are spelled as in the dialect, letter case included.
- The white space that the client writes (around threads, in the seed) and the newline before a thread's
  closing tag must be exact: stitching and training depend on it. Elsewhere any white space between tags is
  allowed, and around threads too if stitching is not exact anyway (`Dialect.exact`).
"""

from __future__ import annotations

from typing import NoReturn

from weaver_sdk.errors import MarkupError
from weaver_sdk.markup.dialect import DEEPEST_BLOCK, Dialect, TagName
from weaver_sdk.markup.outlines import Outline
from weaver_sdk.markup.scanner import Tag, scan
from weaver_sdk.markup.stitching import fill_seed

MOST_THREADS = 50
"""Most outlines of one block in the strict form."""


def check_well_formed(text: str, dialect: Dialect, max_depth: int = 1, *, think_open: bool = False) -> None:
    """Raise unless `text` is the strict form of the dialect.

    Args:
        text: a whole trajectory, without its prompt.
        dialect: the markup it is written in.
        max_depth: how deep blocks may nest; 1 allows no block inside a thread, 0 no block at all; 32 at most.
        think_open: whether the prompt ends with `<think>`, as in some chat templates.

    Raises:
        MarkupError: the first violation, by line and column: what was found, and what to write instead.
    """
    _Strict(text, dialect, max_depth).trajectory(think_open)


def is_well_formed(text: str, dialect: Dialect, max_depth: int = 1, *, think_open: bool = False) -> bool:
    """Whether `check_well_formed` accepts the text."""
    try:
        check_well_formed(text, dialect, max_depth, think_open=think_open)
    except MarkupError:
        return False
    return True


class _Strict:
    """A cursor over the tags of one text, which advances only over well-formed markup."""

    def __init__(self, text: str, dialect: Dialect, max_depth: int) -> None:
        self._text = text
        self._dialect = dialect
        self._pairs = dialect.tags()
        self._max_depth = min(max_depth, DEEPEST_BLOCK)
        self._tags = [token for token in scan(text, dialect) if isinstance(token, Tag)]
        self._next = 0  # index of the next tag
        self._at = 0  # offset after what was read

    def _fail(self, at: int, wrong: str, remedy: str) -> NoReturn:
        line = self._text.count("\n", 0, at) + 1
        column = at - self._text.rfind("\n", 0, at)
        raise MarkupError(f"line {line}, column {column}: {wrong}; {remedy}")

    def _follows(self, name: TagName) -> bool:
        """Whether the next tag opens `name`."""
        tag = self._tags[self._next] if self._next < len(self._tags) else None
        return tag is not None and tag.name == name and not tag.closing

    def _take(self, name: TagName, *, closing: bool = False) -> str:
        """Read the next tag, which must be this one, and return the text before it."""
        due = self._pairs[name][closing]
        if self._next == len(self._tags):
            self._fail(len(self._text), f"expected {due}, found the end of the text", f"write {due}")
        tag = self._tags[self._next]
        if (tag.name, tag.closing) != (name, closing):
            self._fail(tag.start, f"expected {due}, found {tag.text}", f"write {due} first or leave it out")
        if not tag.exact:
            self._fail(tag.start, f"{tag.text} has different letter case", f"write {due}")
        before = self._text[self._at : tag.start]
        self._next += 1
        self._at = tag.end
        return before

    def _take_after_blank(self, name: TagName, *, closing: bool = False) -> None:
        """Read the next tag, which must be this one, with nothing but white space before it."""
        at = self._at
        if self._take(name, closing=closing).strip():
            due = self._pairs[name][closing]
            self._fail(at, f"text between tags, before {due}", "leave it out or move it")

    def _check_literal(self, at: int, due: str, what: str) -> int:
        """Return the offset after `due`, which the text must have at `at`."""
        if not self._text.startswith(due, at):
            found = self._text[at : at + len(due)]
            self._fail(at, f"{found!r} in place of {what}", f"write {due!r}")
        return at + len(due)

    def trajectory(self, think_open: bool) -> None:
        inside = self._dialect.reasons_in_think
        if inside and not think_open:
            self._take_after_blank("think")
        self._blocks(depth=1, parent="")
        if inside:
            self._take("think", closing=True)
        if self._next < len(self._tags):
            tag = self._tags[self._next]
            self._fail(tag.start, f"{tag.text} outside the reasoning and its blocks", "leave it out")

    def _blocks(self, depth: int, parent: str) -> None:
        """Read blocks until another tag comes."""
        opener: TagName = "outlines" if self._dialect.block is None else "block"
        while self._follows(opener):
            if depth > self._max_depth:
                tag = self._tags[self._next]
                self._fail(
                    tag.start,
                    f"a block at depth {depth}, deeper than {self._max_depth}",
                    "remove it or raise max_depth",
                )
            self._block(depth, parent)

    def _block(self, depth: int, parent: str) -> None:
        if self._dialect.block is None:
            self._take("outlines")
        else:
            self._take("block")
            self._take_after_blank("outlines")
        outlines = self._outlines(parent)
        gap = self._dialect.before_threads
        for outline in outlines:
            self._thread(gap, outline, depth)
            gap = self._dialect.between_threads
        self._end(len(outlines))

    def _outlines(self, parent: str) -> list[Outline]:
        stem = f"{parent}." if parent and self._dialect.nested_labels == "dotted" else ""
        outlines: list[Outline] = []
        while self._follows("outline"):
            self._take_after_blank("outline")
            at = self._at
            if len(outlines) == MOST_THREADS:
                self._fail(at, f"more than {MOST_THREADS} outlines", "split the block")
            label = f"{stem}{len(outlines) + 1}"
            written, colon, text = self._take("outline", closing=True).strip().partition(":")
            if not colon or written != label:
                self._fail(
                    at, f"the outline does not begin with {label}:", f"number outlines {stem}1, {stem}2, …"
                )
            if not text.strip():
                self._fail(at, f"outline {label} is empty", "describe the task of its thread")
            outlines.append(Outline(label, text.strip()))
        if not outlines:
            self._fail(self._at, "the list of outlines is empty", f"write {self._dialect.outline[0]}1: …")
        self._take_after_blank("outlines", closing=True)
        return outlines

    def _thread(self, gap: str, outline: Outline, depth: int) -> None:
        at = self._at
        before = self._take("thread")
        opening = fill_seed(self._dialect, outline)
        if self._dialect.exact or before.strip():
            opening = gap + opening
        else:
            at += len(before)
        self._at = start = self._check_literal(at, opening, f"the opening of thread {outline.label}")
        self._blocks(depth + 1, outline.label)
        self._take("thread", closing=True)
        end = self._at - len(self._dialect.thread[1])
        written = self._text[start:end]
        if not written.strip():
            self._fail(start, f"thread {outline.label} is empty", "write its work, or remove its outline")
        if not written.endswith(self._dialect.thread_end):
            due = f"{self._dialect.thread_end}{self._dialect.thread[1]}"
            self._fail(end, f"thread {outline.label} has the wrong ending", f"write {due!r}")

    def _end(self, threads: int) -> None:
        """Read what follows the last thread of a block."""
        if self._follows("thread"):
            tag = self._tags[self._next]
            self._fail(tag.start, f"more threads than the {threads} outlines", "give each thread an outline")
        if self._dialect.exact:
            self._check_literal(self._at, self._dialect.after_threads, "the text after the threads")
        if self._dialect.conclusion is not None:
            self._take_after_blank("conclusion")
            self._take("conclusion", closing=True)
        if self._dialect.block is not None:
            self._take_after_blank("block", closing=True)
