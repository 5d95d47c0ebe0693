"""A clock that moves only while everybody waits: seconds pass at once, and none are lost to the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest


class Clock:
    """The time of the running event loop, and of `time.monotonic`, once `install` was called.

    Where the loop would sleep until its next timer, the clock is set to that timer at once. It is for tests
    without sockets: what comes from outside finds no time to arrive.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the real clock until the test ends; called within the event loop."""
        selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        really: Callable[[float | None], Any] = selector.select

        def select(timeout: float | None = None) -> Any:
            if timeout is not None and timeout > 0:
                self.now += timeout
            return really(None if timeout is None else 0)

        self.now = time.monotonic()
        monkeypatch.setattr(selector, "select", select)
        monkeypatch.setattr(time, "monotonic", self)
