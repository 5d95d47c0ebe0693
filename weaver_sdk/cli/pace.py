"""When to draw: soon after a change, at most 15 times a second, never for more than a share of the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

FRAME = 1 / 15
"""Seconds between two drawings at least."""
SHARE = 0.06
"""Share of one core that drawing may take; a costly picture is drawn less often."""
PULSE = 1.0
"""Seconds after which a picture is drawn without a change, so that its clock moves."""


class Pace:
    """Calls `paint` in time with `changed()`, while its `async with` block runs."""

    def __init__(self, paint: Callable[[], None]) -> None:
        self._paint = paint
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Say that there is something new to draw."""
        self._changed.set()

    async def __aenter__(self) -> Pace:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            began = time.thread_time()
            self._changed.clear()
            self._paint()
            cost = time.thread_time() - began
            await asyncio.sleep(max(FRAME, cost / SHARE))
            try:
                async with asyncio.timeout(PULSE):
                    await self._changed.wait()
            except TimeoutError:
                pass
