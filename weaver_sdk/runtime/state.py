"""What all scopes of one run share: what it was given, what it wrote down, what it may spend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.events import (
    Event,
    PlanReady,
    RunStarted,
    SegmentDelta,
    ThreadDelta,
    ThreadStarted,
)
from weaver_sdk.result import Phase
from weaver_sdk.runtime.completion import End
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.runtime.ledger import Ledger
from weaver_sdk.runtime.lines import LiveSegment, LiveThread
from weaver_sdk.runtime.recorder import Recorder

if TYPE_CHECKING:
    from weaver_sdk.runtime.scope import Scope


class RunState:
    """One run on its way.

    Args:
        config: what the run was given.
        listeners: called with every event, in this order.
    """

    def __init__(self, config: RunConfig, listeners: Sequence[Callable[[Event], None]]) -> None:
        self.config = config
        self.main = LiveThread()
        self.ledger = Ledger(config.budget, self.main)
        self.recorder = Recorder(config.run_id, listeners)
        self.forks = 0
        self.ended: list[Scope] = []
        self.main_end: End | None = None
        """How the last completion of the main line ended."""
        self.prompt = ""
        """The prompt that the text of the main line goes on from."""
        self.loop_began = 0.0

    def model(self, name: str) -> Model:
        """Return one of the run's models.

        Raises:
            ConfigurationError: it has none of that name.
        """
        try:
            return self.config.models[name]
        except KeyError:
            known = ", ".join(map(repr, self.config.models))
            raise ConfigurationError(f"no model {name!r} in this run: use one of {known}") from None

    def write(self, line: LiveThread, phase: Phase, text: str) -> None:
        """Add text of the client to a line: to its last segment, or as a new one after a fork."""
        last = line.parts[-1] if line.parts else None
        if not isinstance(last, LiveSegment) or not last.kept:
            now = self.recorder.now()
            last = LiveSegment(started=now, ended=now, outcome="done")
            line.parts.append(last)
        if last.asked:
            last.tail += text
        else:
            last.lead += text
        last.phase = phase
        self.say(line, phase, text)

    def say(
        self, line: LiveThread, phase: Phase, text: str, *, reasoning: str = "", kept: bool = True
    ) -> None:
        """Note new text of a line, and let it out as an event."""
        if phase == "answer" and kept and text:
            line.answer.append(text)
            if line.place is None and self.recorder.first_answer is None:
                self.recorder.first_answer = self.recorder.now()
        if not self.recorder.listened_to:
            return  # this runs for every chunk
        if line.place is None:
            self.recorder.emit(SegmentDelta, text=text, phase=phase, kept=kept, reasoning=reasoning)
        else:
            self.emit_in(line, ThreadDelta, text=text, phase=phase, kept=kept, reasoning=reasoning)

    def run_started(self) -> None:
        """Note that the run begins."""
        config = self.config
        self.recorder.emit(
            RunStarted,
            problem=config.problem,
            model=config.models["main"].backend.model,
            mode=config.mode,
            answer_is_text=config.program.answer_is_text,
        )

    def thread_started(self, line: LiveThread) -> None:
        """Note that a thread is at work."""
        if line.place is not None:
            line.started = self.recorder.now()
            self.emit_in(line, ThreadStarted)

    def emit_in(self, line: LiveThread, event: Callable[..., Event], **fields: object) -> None:
        """Let an event of a thread out; the main line has none of its own."""
        if line.place is not None:
            self.recorder.emit(event, fork=line.place[0], thread=line.place[1], **fields)

    def plan_ready(self, line: LiveThread, text: str) -> None:
        """Note that a model has answered how the work is to be divided."""
        self.emit_at(line, PlanReady, text=text)

    def emit_at(self, line: LiveThread, event: Callable[..., Event], **fields: object) -> None:
        """Emit an event with its place, if it has one."""
        fork, thread = line.place if line.place is not None else (None, None)
        self.recorder.emit(event, fork=fork, thread=thread, **fields)
