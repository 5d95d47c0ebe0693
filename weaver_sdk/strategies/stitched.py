"""How threads are joined in a dialect's markup, in stretches that keep the tokens they were written as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from weaver_sdk.backends.base import Span
from weaver_sdk.markup import Dialect, Outline, around_threads, end_thread
from weaver_sdk.result import Outcome


class JoinedThread(Protocol):
    """What a join has to know of a thread."""

    item: object
    """Its `Outline`."""

    @property
    def text(self) -> str: ...

    @property
    def spans(self) -> tuple[Span, ...]: ...

    @property
    def outcome(self) -> Outcome: ...


def joined_spans(
    dialect: Dialect, threads: Sequence[JoinedThread], *, to_last_thread: bool = False
) -> Iterator[Span]:
    """Yield the text that joins threads, in stretches.

    Args:
        dialect: the markup.
        threads: in the order of their outlines; each has its outline for an item.
        to_last_thread: only up to the closing tag of the last thread.
    """
    first, *after = around_threads(dialect, [outline_of(thread) for thread in threads])
    if to_last_thread:
        after[-1] = dialect.thread[1]
    yield Span(first)
    for thread, text in zip(threads, after, strict=True):
        yield from thread.spans
        yield Span(closing_of(dialect, thread) + text)


def closing_of(dialect: Dialect, thread: JoinedThread) -> str:
    """Return what a thread still needs before its closing tag."""
    return end_thread(dialect, thread.text).removeprefix(thread.text)


def outline_of(thread: JoinedThread) -> Outline:
    """Return the outline that a thread works on."""
    assert isinstance(thread.item, Outline)
    return thread.item


def task_of(outline: Outline, dialect: Dialect) -> str:
    """Say what a thread has to write, for servers that can only be asked to go on."""
    about = f" ({outline.text})" if outline.text else ""
    return f"Write only part {outline.label}{about}, and close it with {dialect.thread[1]}."
