"""Ctrl-C while a run is going on: the first one stops the run and keeps its text, the second one leaves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_interrupt(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` in the event loop at the first Ctrl-C; the second one goes to the handler before."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    stopped = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            loop.call_soon_threadsafe(stop)
        elif callable(before):
            before(number, frame)

    try:
        signal.signal(signal.SIGINT, handle)
    except ValueError:  # not the main thread: its signals are not ours
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
