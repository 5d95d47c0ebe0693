"""What the client writes: the seed of a thread, the text that joins threads, the tags it closes early.

Thread texts are stitched unchanged, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.outlines import Outline

_PLACE = re.compile(r"\{(label|outline)\}")


def fill_seed(dialect: Dialect, outline: Outline) -> str:
    """Return what opens a thread, tag and label.

    Only `{label}` and `{outline}` of the dialect's seed are filled in; braces in the outline itself are data.
    """
    values = {"label": outline.label, "outline": outline.text}
    return _PLACE.sub(lambda place: values[place[1]], dialect.seed)


def thread_prefix(dialect: Dialect, outline: Outline) -> str:
    """Return what is appended to the context for the completion of one thread."""
    return dialect.before_threads + fill_seed(dialect, outline)


def end_thread(dialect: Dialect, text: str) -> str:
    """Return the text of a thread that was cut short, ready for its closing tag."""
    return text if text.endswith(dialect.thread_end) else text + dialect.thread_end


def join_threads(dialect: Dialect, threads: Iterable[tuple[Outline, str]]) -> str:
    """Return what is appended to the context at the join: every thread, in the order given.

    Empty if there are no threads.
    """
    given = list(threads)
    first, *others = around_threads(dialect, [outline for outline, _ in given])
    return first + "".join(text + after for (_, text), after in zip(given, others, strict=True))


def around_threads(dialect: Dialect, outlines: Sequence[Outline]) -> list[str]:
    """Return what the client writes around threads at a join: before the first, between two, after the last.

    The list has one text more than there are threads; without threads it holds one empty text.
    """
    if not outlines:
        return [""]
    closing = close_block(dialect) if dialect.block_closed_by == "client" else ""
    between = [
        dialect.thread[1] + dialect.between_threads + fill_seed(dialect, outline) for outline in outlines[1:]
    ]
    after = dialect.thread[1] + dialect.after_threads + closing
    return [thread_prefix(dialect, outlines[0]), *between, after]


def close_block(dialect: Dialect) -> str:
    """Return what closes a block right after its join, if that is the client's part.

    Empty for a dialect whose blocks have neither a tag of their own nor a conclusion.
    """
    return "".join(pair[1] + "\n" for pair in (dialect.conclusion, dialect.block) if pair is not None)


def close_think(dialect: Dialect) -> str:
    """Return what ends the reasoning early, so that the model continues with its answer.

    Just a newline for a dialect that does not reason inside tags.
    """
    return f"\n{dialect.think[1]}\n" if dialect.reasons_in_think else "\n"
