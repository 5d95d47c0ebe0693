"""The answer in a trajectory."""

from __future__ import annotations

from weaver_sdk.markup.boxes import has_box, last_box
from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.parser import parse
from weaver_sdk.markup.trajectory import Block


def extract_answer(text: str, dialect: Dialect) -> str | None:
    """Return the content of the last balanced `\\boxed{…}` of the main line; linear in the text.

    Boxes in outlines and threads belong to sub-tasks and are never the answer; one that begins in front of a
    block and ends behind it is not balanced. Which boxes count: `last_box`. Where the main line holds none,
    the answer is what follows the last `</think>`, without white space around it; `None` if that is nothing.
    """
    trajectory = parse(text, dialect)
    boxed = False
    for part in reversed(trajectory.parts):
        piece = part.closing if isinstance(part, Block) else part
        answer = last_box(piece)
        if answer is not None:
            return answer
        boxed = boxed or has_box(piece)
    # an answer that consists of an empty box is none
    if boxed or trajectory.answer_start is None:
        return None
    return text[trajectory.answer_start :].strip() or None
