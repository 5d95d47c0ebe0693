"""GBNF grammars that hold a model to a dialect's markup, one for each place where a run decodes."""

from __future__ import annotations

from typing import Literal

from weaver_sdk.markup.dialect import Dialect

Place = Literal["open", "thread", "resume", "plain"]
"""Where a completion stands: before the first block, inside a thread, after a join; or outside all markup."""

_LINE = "line ::= [^<>\\n]{2,160}"
_BOX = '"\\\\boxed{" [^<>{}\\n]{1,160} "}"'
MOST_LINES = 12
"""Lines of reasoning outside a block, before the answer."""


def opening_grammar(dialect: Dialect, max_threads: int) -> str:
    """Return GBNF for a main line from its beginning: a line, then outlines or the answer.

    The model chooses. There are 2 to `max_threads` outlines, and up to `MOST_LINES` further lines before an
    answer.
    """
    opens, closes = (_quoted(tag) for tag in dialect.outline)
    begins = f"{_quoted(dialect.think[0] + chr(10))} " if dialect.reasons_in_think else ""
    block = f"{dialect.block[0]}\n" if dialect.block else ""
    optional = ""
    for number in range(max_threads, 2, -1):
        optional = f" (outline-{number}{optional})?"
    rules = [
        f'root ::= {begins}line "\\n" (fork | answer)',
        f"fork ::= {_quoted(f'{block}{dialect.outlines[0]}{chr(10)}')} outline-1 outline-2{optional} "
        + _quoted(dialect.outlines[1]),
        f"answer ::= {_reasoned(dialect)}",
        *(
            f'outline-{number} ::= {opens} "{number}: " short {closes} "\\n"'
            for number in range(1, max_threads + 1)
        ),
        _LINE,
        "short ::= [A-Z0-9] [^<>.:\\n]{1,60}",
    ]
    return "\n".join(rules) + "\n"


def thread_grammar(dialect: Dialect, max_characters: int = 160) -> str:
    """Return GBNF for the working of a thread: one line, then its closing tag."""
    closes = _quoted(f"{dialect.thread_end}{dialect.thread[1]}")
    return f'root ::= " " [^<>\\n]{{2,{max_characters}}} {closes}\n'


def joined_grammar(dialect: Dialect) -> str:
    """Return GBNF for a main line after a join: what closes the block, some lines, a boxed answer."""
    concludes = f'line "\\n" {_quoted(dialect.conclusion[1] + chr(10))} ' if dialect.conclusion else ""
    by_model = dialect.block is not None and dialect.block_closed_by == "model"
    closes = f"{_quoted(dialect.block[1] + chr(10))} " if dialect.block and by_model else ""
    return f"root ::= {concludes}{closes}{_reasoned(dialect)}\n{_LINE}\n"


def plain_grammar() -> str:
    """Return GBNF for an answer without markup: some lines, then a box."""
    return f'root ::= (line "\\n"){{1,{MOST_LINES}}} {_BOX}\n{_LINE}\n'


def _reasoned(dialect: Dialect) -> str:
    ends = f"{_quoted(dialect.think[1] + chr(10))} " if dialect.reasons_in_think else ""
    return f'(line "\\n"){{0,{MOST_LINES}}} {ends}{_BOX}'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
