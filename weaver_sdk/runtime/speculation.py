"""A speculative completion: it runs beside its line, and is taken or dropped later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from weaver_sdk.runtime.asking import Asking, complete
from weaver_sdk.runtime.completion import Completion
from weaver_sdk.runtime.lines import LiveSegment, LiveThread

if TYPE_CHECKING:
    from weaver_sdk.runtime.state import RunState


class Speculation:
    """A completion that runs while its line goes on; its text is held back until it is taken.

    ```python
    async with scope.speculate(scope.messages) as bare:
        plan = await scope.ask(…, phase="plan", keep=False)
        if not worth_a_fork(plan):
            return await bare.take()
    ```

    At the end of the block it is cancelled, unless it was taken. Where an error ends the block before, its
    text is kept: there may be nothing else.
    """

    def __init__(self, state: RunState, line: LiveThread, asking: Asking) -> None:
        now = state.recorder.now()
        self._state = state
        self._line = line
        self._segment = LiveSegment(
            started=now, ended=now, kept=False, phase=asking.phase, model=asking.model, waited_after=None
        )
        self._shown = 0
        line.parts.append(self._segment)
        self._task = asyncio.create_task(complete(state, line, asking, segment=self._segment))

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self._segment.text

    @property
    def tokens(self) -> int:
        """How many tokens that are."""
        return self._segment.tokens

    @property
    def ended(self) -> bool:
        """Whether it is whole, so that taking it takes no time."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is None

    def show(self, length: int) -> None:
        """Make the beginning of its text part of the line, whatever becomes of the rest.

        Args:
            length: of the beginning, in characters; what was shown already counts.
        """
        if not self._segment.kept:
            self._say(self.text[self._shown : length])

    async def take(self) -> Completion:
        """Make its text part of the line: at once what there is, and the rest as it comes.

        Raises:
            BackendError: the completion could not be had.
        """
        self._keep()
        completion = await self._task
        self._segment.waited_after = len(self._line.parts) - 1 - self._line.parts.index(self._segment)
        return completion

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._keep()
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._shown and not self._segment.kept:
            self._split()
        if not self._task.cancelled():
            self._task.exception()  # `take` has raised it; of a dropped one the segment's outcome tells

    def _keep(self) -> None:
        if not self._segment.kept:
            self._segment.kept = True  # what is new goes straight into the line from here on
            if reasoning := "".join(self._segment.reasoning):
                self._state.say(self._line, "reasoning", "", reasoning=reasoning)
            self._say(self.text[self._shown :])

    def _say(self, text: str) -> None:
        self._shown += len(text)
        if text:
            self._state.say(self._line, self._segment.phase, text)

    def _split(self) -> None:
        """Leave the beginning that was shown in the line, and the rest in a segment that is not kept."""
        segment, text = self._segment, self.text
        tokens = round(segment.tokens * self._shown / len(text))
        rest = replace(
            segment, written=[text[self._shown :]], reasoning=[], ids=None, tokens=segment.tokens - tokens
        )
        rest.prompt_tokens = rest.cached_prompt_tokens = rest.first_token = None
        segment.kept, segment.written, segment.ids, segment.tokens = True, [text[: self._shown]], None, tokens
        self._line.parts.insert(self._line.parts.index(segment) + 1, rest)
