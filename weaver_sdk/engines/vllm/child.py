"""The process that supervises a vLLM server; `VLLMServer` runs this file as a script.

vLLM is several processes, and some of them start process groups of their own. So this one adopts all their
orphans, and exits only when none of its descendants is left. It shuts down when vLLM exits, when standard
input ends (its parent closed the pipe, or died for any reason), or on SIGTERM. It takes one argument, a JSON
object of settings, and imports nothing of weaver_sdk, so that it starts fast and from any folder.
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
_MAX_CHECKS = 5
"""How often a new file of shared memory is checked before it is taken to be another program's."""
_ORPHAN_GRACE = 1.0
"""Seconds that the other processes have to clean up after the server's own process has exited."""


class Supervisor:
    """Supervises a vLLM server and all its descendants."""

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
            preexec_fn=_die_with_supervisor,
        )

    def _ask_to_end(self, number: int, frame: object) -> None:
        self.asked_to_end = True

    def wait(self) -> None:
        """Return when it is time to shut down."""
        while True:
            ready, _, _ = select.select([0, self._woken], [], [], 1.0)
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            self._shared.check(_descendants())
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
        """Whether the parent is gone. Another child of the parent may keep the pipe open after its death."""
        return self._hung_up or os.getppid() != self.parent

    def reap(self) -> bool:
        """Reap exited children, adopted ones included; return whether any child is left."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.server.pid:
                    self.status = self.server.returncode = os.waitstatus_to_exitcode(status)
        return False

    def end(self) -> None:
        """Terminate vLLM, then kill every process that is left; return when there is none."""
        self._shared.check(_descendants())
        now = time.monotonic()
        kill_at = now + (self.grace if self.status is None else 0.0)
        if self.status is None:
            self.server.send_signal(signal.SIGTERM)
        orphaned_since = None
        while self.reap():
            now = time.monotonic()
            if self.status is not None and orphaned_since is None:
                orphaned_since = now
                kill_at = min(kill_at, now + _ORPHAN_GRACE)
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
    """The files in /dev/shm that the server's processes have created.

    A killed process cannot delete them, and once no process has a file open, its creator is unknown.
    """

    def __init__(self) -> None:
        self._checks = dict.fromkeys(self._names(), _MAX_CHECKS)
        self._created: set[str] = set()

    def check(self, pids: list[int]) -> None:
        new = {name for name in self._names() - self._created if self._checks.get(name, 0) < _MAX_CHECKS}
        if not new:
            return
        open_files = _open_files(pids)
        self._created |= new & open_files
        for name in new - open_files:
            self._checks[name] = self._checks.get(name, 0) + 1

    def remove(self) -> None:
        left = self._created & self._names()
        if left:
            left -= _open_files([int(name) for name in os.listdir("/proc") if name.isdecimal()])
        for name in left:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(_SHARED_MEMORY, name))

    @staticmethod
    def _names() -> set[str]:
        try:
            return set(os.listdir(_SHARED_MEMORY))
        except FileNotFoundError:
            return set()


def _open_files(pids: list[int]) -> set[str]:
    """Return the names of the shared-memory files that processes have mapped or open."""
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
    """Return all descendants of this process, in any process group or session."""
    parents: dict[int, int] = {}
    with suppress(FileNotFoundError):
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as stat:
                    parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
    found: list[int] = []
    generation = {os.getpid()}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found.extend(generation)
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with_supervisor() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(settings: dict[str, Any]) -> int:
    """Run the server until it exits; return its exit status, 128 plus the number for a signal."""
    supervisor = Supervisor(settings)
    supervisor.wait()
    supervisor.end()
    if supervisor.is_alone():
        shutil.rmtree(settings["directory"], ignore_errors=True)
    status = supervisor.status or 0
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
