"""A limit on each wait of one stream, at the cost of one timer a stream and not one a chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Watchdog:
    """Gives up waiting for something that takes too long.

    A timer for every chunk (as `asyncio.timeout` sets) costs more than reading the chunk. So there is one
    timer, which looks at the deadline of the wait under way when it fires, and is set anew only then.
    """

    __slots__ = ("_barked", "_deadline", "_loop", "_others", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._barked = False
        self._others = 0  # cancellations of the task that are not ours

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """Wait for something, but no longer than so many seconds.

        Raises:
            TimeoutError: it took longer.
        """
        self._deadline = self._loop.time() + seconds
        self._task = asyncio.current_task()
        if self._timer is None or self._timer.when() > self._deadline:
            self._set()
        try:
            return await awaited
        except asyncio.CancelledError as error:
            if self._barked and self._task is not None and self._task.uncancel() <= self._others:
                raise TimeoutError from error
            raise
        finally:
            self._task = None

    def stop(self) -> None:
        """Leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.stop()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return  # nobody waits; the next wait sets the timer
        if self._loop.time() < self._deadline:
            self._set()
            return
        self._barked = True
        self._others = self._task.cancelling()
        self._task.cancel()
