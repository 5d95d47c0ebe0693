"""GBNF grammars that hold a model to a dialect's tags, one for each place where a run decodes.

Only the tags are fixed. The text between them is free (lines, code, braces, "<") and as long as the budget
allows; a model may end its sequence wherever text is free and no tag has to follow.
"""

from __future__ import annotations

from typing import Literal

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.strategies.free_text import free_line, free_text, quoted

Place = Literal["open", "thread", "resume"]
"""Where a completion stands: before the first block, inside a thread, or after a join."""

PLACES: tuple[Place, ...] = ("open", "thread", "resume")
"""All of them."""


def opening_grammar(dialect: Dialect, max_threads: int) -> str:
    """Return GBNF for a main line from its beginning: some text, then outlines or the answer.

    The model chooses. There are 2 to `max_threads` outlines, a line each.
    """
    block = f"{dialect.block[0]}\n" if dialect.block else ""
    root = "root ::= fork | some fork?"
    if dialect.reasons_in_think:
        root = f"root ::= {quoted(dialect.think[0] + chr(10))} text (fork | {_answer(dialect)})"
    begins, ends = quoted(f"{block}{dialect.outlines[0]}\n"), quoted(dialect.outlines[1])
    return _grammar(dialect, root, f"fork ::= {begins} outlines {ends}", *_outlines(dialect, max_threads))


def outlines_grammar(dialect: Dialect, max_threads: int) -> str:
    """Return GBNF for the outlines alone, without the tags around their list."""
    return "\n".join(["root ::= outlines", *_outlines(dialect, max_threads)]) + "\n"


def thread_grammar(dialect: Dialect) -> str:
    """Return GBNF for the working of a thread: text, then its closing tag."""
    return _grammar(dialect, f"root ::= [ \\n] some {quoted(dialect.thread[1])}?")


def joined_grammar(dialect: Dialect) -> str:
    """Return GBNF for a main line after a join: what closes the block, some text, the answer."""
    concludes = f"text {quoted(dialect.conclusion[1] + chr(10))} " if dialect.conclusion else ""
    by_model = dialect.block is not None and dialect.block_closed_by == "model"
    closes = f"{quoted(dialect.block[1] + chr(10))} " if dialect.block and by_model else ""
    answer = f"text {_answer(dialect)}" if dialect.reasons_in_think else '"\\n"? some'
    return _grammar(dialect, f"root ::= {concludes}{closes}{answer}")


def _outlines(dialect: Dialect, max_threads: int) -> list[str]:
    opens, closes = (quoted(tag) for tag in dialect.outline)
    further = ""
    for number in range(max_threads, 2, -1):
        further = f" (outline-{number}{further})?"
    return [
        f"outlines ::= outline-1 outline-2{further}",
        *(
            f'outline-{number} ::= {opens} "{number}: " title {closes} "\\n"'
            for number in range(1, max_threads + 1)
        ),
        f"title ::= {free_line(_tags(dialect))}",
    ]


def _answer(dialect: Dialect) -> str:
    return f"{quoted(dialect.think[1] + chr(10))} some"


def _grammar(dialect: Dialect, *rules: str) -> str:
    return "\n".join([*rules, *free_text(_tags(dialect))]) + "\n"


def _tags(dialect: Dialect) -> list[str]:
    return [tag for pair in dialect.tags().values() for tag in pair]
