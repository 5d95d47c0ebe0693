"""Looking at processes and ports from outside, with patience."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Return whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def left_in(folder: Path) -> list[Path]:
    """Return every file and folder below a folder."""
    return sorted(folder.rglob("*"))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"  # the dead whom nobody has buried
    except (ProcessLookupError, FileNotFoundError):
        return False


def answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=1).close()
    except OSError:
        return False
    return True
