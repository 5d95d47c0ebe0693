"""The process that watches over a vLLM server; `VLLMServer` runs this file as a script.

vLLM is several processes, and some of them begin groups of their own. So this one takes in every orphan of
theirs, and at the end it leaves only when no process is left below it. The end comes when vLLM ends, when
standard input ends (its parent closed the pipe, or died of anything at all), or with SIGTERM. It takes one
argument, a JSON object of settings, and imports nothing of weaver_sdk, so that it starts fast and from
anywhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SHARED_MEMORY = "/dev/shm"
_LOOKS = 5
"""How often a new file of shared memory is looked at before it is held to be somebody else's."""
_ORPHANS_MAY_TAKE = 1.0
"""Seconds that the others have to tidy up after the server's own process has gone."""


class Watch:
    """A vLLM server and every process below it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.parent = os.getppid()
        self.directory = settings["directory"]
        self.grace = float(settings["grace"])
        self.status: int | None = None
        self.asked_to_end = False
        self._hung_up = False
        self._shared = _SharedMemory()
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        woken, wake = os.pipe()
        for end in (woken, wake):
            os.set_blocking(end, False)
        self._woken = woken
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._ask_to_end)
        self.server = subprocess.Popen(
            settings["command"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_the_watch,
        )

    def _ask_to_end(self, number: int, frame: object) -> None:
        self.asked_to_end = True

    def wait(self) -> None:
        """Return when it is time to end."""
        while True:
            ready, _, _ = select.select([0, self._woken], [], [], 1.0)
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            self._shared.look(_descendants())
            self.reap()
            if 0 in ready:
                word = os.read(0, 4096)
                self._hung_up = not word
                if word == b"now":
                    self.grace = 0.0
                return
            if self.status is not None or self.asked_to_end or self.is_alone():
                return

    def is_alone(self) -> bool:
        """Whether the parent is gone. A process forked off it may hold the pipe open after its death."""
        return self._hung_up or os.getppid() != self.parent

    def reap(self) -> bool:
        """Bury the dead, the adopted among them; return whether anybody is left."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.server.pid:
                    self.status = self.server.returncode = os.waitstatus_to_exitcode(status)
        return False

    def end(self) -> None:
        """Ask vLLM to end, then end every process that is left; return when there is none."""
        self._shared.look(_descendants())
        now = time.monotonic()
        kill_at = now + (self.grace if self.status is None else 0.0)
        if self.status is None:
            self.server.send_signal(signal.SIGTERM)
        alone_since = None
        while self.reap():
            now = time.monotonic()
            if self.status is not None and alone_since is None:
                alone_since = now
                kill_at = min(kill_at, now + _ORPHANS_MAY_TAKE)
            if now >= kill_at:
                self._kill()
            time.sleep(0.01)
        self._shared.remove()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.server.pid, signal.SIGKILL)
        for pid in _descendants():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class _SharedMemory:
    """The files in /dev/shm that came while we watched and that the server's processes hold.

    Who is killed cannot remove them; and a file does not say who made it once nobody holds it.
    """

    def __init__(self) -> None:
        self._looks = dict.fromkeys(self._names(), _LOOKS)
        self._ours: set[str] = set()

    def look(self, pids: list[int]) -> None:
        new = {name for name in self._names() - self._ours if self._looks.get(name, 0) < _LOOKS}
        if not new:
            return
        held = _held(pids)
        self._ours |= new & held
        for name in new - held:
            self._looks[name] = self._looks.get(name, 0) + 1

    def remove(self) -> None:
        left = self._ours & self._names()
        if left:
            left -= _held([int(name) for name in os.listdir("/proc") if name.isdecimal()])
        for name in left:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(_SHARED_MEMORY, name))

    @staticmethod
    def _names() -> set[str]:
        try:
            return set(os.listdir(_SHARED_MEMORY))
        except FileNotFoundError:
            return set()


def _held(pids: list[int]) -> set[str]:
    """Return the names of the shared memory that processes have mapped or open."""
    names = set()
    prefix = _SHARED_MEMORY + "/"
    for pid in pids:
        with suppress(OSError):
            with open(f"/proc/{pid}/maps", errors="replace") as maps:
                names |= {line.split(prefix, 1)[1].strip() for line in maps if prefix in line}
            for number in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{number}")
                    if target.startswith(prefix):
                        names.add(target[len(prefix) :])
    return names


def _descendants() -> list[int]:
    """Return every process below this one, whatever group or session it is in."""
    parents: dict[int, int] = {}
    with suppress(FileNotFoundError):
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as stat:
                    parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
    found: list[int] = []
    above = {os.getpid()}
    while above:
        above = {pid for pid, parent in parents.items() if parent in above}
        found.extend(above)
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with_the_watch() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(settings: dict[str, Any]) -> int:
    """Run the server to its end; return its exit status, 128 and the number for a signal."""
    watch = Watch(settings)
    watch.wait()
    watch.end()
    if watch.is_alone():
        shutil.rmtree(settings["directory"], ignore_errors=True)
    status = watch.status or 0
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
