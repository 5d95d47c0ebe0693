"""A conversation as data: its turns, and what the next question takes from them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from weaver_sdk.options import Mode
from weaver_sdk.result import Finish, Result, final_text
from weaver_sdk.telemetry.report import timing_line


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A question and what came of it."""

    question: str
    answer: str
    """What the model said to the user; empty where the turn was stopped before that."""
    text: str
    """The whole trajectory."""
    mode: Mode
    model: str
    finish: Finish
    timing: str

    @classmethod
    def of(cls, result: Result) -> Turn:
        """Return the turn that a result makes."""
        return cls(
            question=result.problem,
            answer=final_text(result),
            text=result.text,
            mode=result.mode,
            model=result.model,
            finish=result.finish,
            timing=timing_line(result.telemetry),
        )


@dataclass(kw_only=True)
class Conversation:
    """The turns so far, and the question that has no answer yet."""

    turns: list[Turn] = field(default_factory=list)
    open_question: str | None = None
    routing_key: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    """One for all turns: each begins with those before it, which a replica may still hold."""

    def ask(self, question: str) -> None:
        """Note a question before it is worked on."""
        self.open_question = question

    def add(self, turn: Turn) -> None:
        """Note what came of the question."""
        self.turns.append(turn)
        self.open_question = None

    def retry(self) -> str | None:
        """Take the last question back to be asked again; `None` where there is none."""
        if self.open_question is not None:
            return self.open_question
        return self.turns.pop().question if self.turns else None

    def history(self, *, keep_reasoning: bool) -> list[dict[str, str]]:
        """Return the finished turns as messages: the answers, without the reasoning unless it is wanted."""
        messages: list[dict[str, str]] = []
        for turn in self.turns:
            said = turn.text if keep_reasoning else turn.answer
            if said.strip():
                messages.append({"role": "user", "content": turn.question})
                messages.append({"role": "assistant", "content": said})
        return messages


def turn_as_dict(turn: Turn) -> dict[str, Any]:
    """Return a turn as plain JSON types."""
    return {name: getattr(turn, name) for name in Turn.__dataclass_fields__}
