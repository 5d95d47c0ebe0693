"""One completion of a scripted model: its tokens, where it stops, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weaver_sdk.testing.script import each_piece

Stops = Literal["trim", "keep", "ignore"]
"""What the server does with a stop string: trims it from the text, keeps it, or ignores it."""


@dataclass(frozen=True)
class Generation:
    """A completion, token by token."""

    steps: tuple[str, ...]
    """The text that each token adds; empty for one that is held back as part of a stop string."""
    finish_reason: Literal["stop", "length"]
    matched_stop: str | None = None

    @property
    def text(self) -> str:
        """The text that is sent."""
        return "".join(self.steps)


def generate(
    text: str, stop: Sequence[str] = (), max_tokens: int | None = None, stops: Stops = "trim"
) -> Generation:
    """Generate `text`, one piece per token, up to a stop string, the limit, or the end of the text."""
    found = [(at, word) for word in stop if word and stops != "ignore" and (at := text.find(word)) >= 0]
    at, word = min(found, default=(len(text), ""))
    steps: list[str] = []
    written = 0
    for piece in each_piece(text):
        if max_tokens is not None and len(steps) >= max_tokens:
            return Generation(tuple(steps), "length")
        steps.append(piece)
        written += len(piece)
        if word and written >= at + len(word):
            return Generation(_cut(steps, at + len(word) if stops == "keep" else at), "stop", word)
    return Generation(tuple(steps), "stop")


def _cut(steps: list[str], end: int) -> tuple[str, ...]:
    """Cut the text to `end` characters; every token keeps its step, if an empty one."""
    over = sum(map(len, steps)) - end
    for i in range(len(steps) - 1, -1, -1):
        if over <= 0:
            break
        over, steps[i] = over - len(steps[i]), steps[i][: max(0, len(steps[i]) - over)]
    return tuple(steps)
