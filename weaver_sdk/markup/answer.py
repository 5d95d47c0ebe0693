"""The answer in a trajectory."""

from __future__ import annotations

from weaver_sdk.markup.boxes import has_box, last_box
from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.parser import parse
from weaver_sdk.markup.trajectory import Block


def extract_answer(text: str, dialect: Dialect) -> str | None:
    """Return the content of the last balanced `\\boxed{…}` of the main line; linear in the text.

    Boxes in outlines and threads belong to sub-tasks and are never the answer; one that begins before a block
    and ends after it is not balanced. Which boxes count: `last_box`. If the main line holds none, the answer
    is what follows the last `</think>`, stripped of white space; `None` if that is empty.
    """
    trajectory = parse(text, dialect)
    boxed = False
    for part in reversed(trajectory.parts):
        piece = part.closing if isinstance(part, Block) else part
        answer = last_box(piece)
        if answer is not None:
            return answer
        boxed = boxed or has_box(piece)
    # an empty box is no answer
    if boxed or trajectory.answer_start is None:
        return None
    return text[trajectory.answer_start :].strip() or None
