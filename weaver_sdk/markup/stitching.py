"""What the client writes: the seed of a thread, the text that joins threads, the tags it closes early.

Texts of threads are stitched as they are given, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.outlines import Outline

_PLACE = re.compile(r"\{(label|outline)\}")


def fill_seed(dialect: Dialect, outline: Outline) -> str:
    """Return what opens a thread, tag and label.

    Only `{label}` and `{outline}` of the dialect's seed are filled; braces in the outline itself are data.
    """
    values = {"label": outline.label, "outline": outline.text}
    return _PLACE.sub(lambda place: values[place[1]], dialect.seed)


def thread_prefix(dialect: Dialect, outline: Outline) -> str:
    """Return what is appended to the context for the completion of one thread."""
    return dialect.before_threads + fill_seed(dialect, outline)


def end_thread(dialect: Dialect, text: str) -> str:
    """Return a thread's text as it stands before its closing tag, for a thread that was cut short."""
    return text if text.endswith(dialect.thread_end) else text + dialect.thread_end


def join_threads(dialect: Dialect, threads: Iterable[tuple[Outline, str]]) -> str:
    """Return what is appended to the context at the join: every thread, in the order given.

    No thread at all gives the empty text.
    """
    given = list(threads)
    first, *others = around_threads(dialect, [outline for outline, _ in given])
    return first + "".join(text + behind for (_, text), behind in zip(given, others, strict=True))


def around_threads(dialect: Dialect, outlines: Sequence[Outline]) -> list[str]:
    """Return what the client writes around threads at a join: before the first, between two, behind the last.

    It is one text more than there are threads; the only one is empty where there are none.
    """
    if not outlines:
        return [""]
    closing = close_block(dialect) if dialect.block_closed_by == "client" else ""
    between = [
        dialect.thread[1] + dialect.between_threads + fill_seed(dialect, outline) for outline in outlines[1:]
    ]
    behind = dialect.thread[1] + dialect.after_threads + closing
    return [thread_prefix(dialect, outlines[0]), *between, behind]


def close_block(dialect: Dialect) -> str:
    """Return what closes a block right behind its join, where the client has to do it.

    It is empty for a dialect whose blocks have neither a tag of their own nor a conclusion.
    """
    return "".join(pair[1] + "\n" for pair in (dialect.conclusion, dialect.block) if pair is not None)


def close_think(dialect: Dialect) -> str:
    """Return what ends the reasoning early, so that the model goes on with its answer.

    A new line has to do for a dialect that does not reason inside tags.
    """
    return f"\n{dialect.think[1]}\n" if dialect.reasons_in_think else "\n"
