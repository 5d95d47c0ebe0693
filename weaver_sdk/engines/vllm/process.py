"""The processes of one vLLM server, from the first to the last."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from weaver_sdk.engines.vllm.command import Command
from weaver_sdk.engines.vllm.port import is_loopback
from weaver_sdk.engines.vllm.progress import StartLog
from weaver_sdk.errors import ConfigurationError

_CHILD = Path(__file__).with_name("child.py")
_GRACE = 5.0
"""Seconds that vLLM has to end by itself before it is killed."""
_LONGEST_FOLDER = 60
"""Characters: vLLM puts sockets in there, whose paths have to stay below 108."""


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """What exists while a server runs."""

    watch: subprocess.Popen[bytes]
    """Watches over the server's processes. It ends after the last, with the status of the first."""
    directory: Path
    log: Path
    start_log: StartLog
    command: Command
    port: int
    reserved: socket.socket
    """Holds the port until the server listens on it."""
    began: float = field(default_factory=time.monotonic)

    def ask_to_end(self, *, at_once: bool = False) -> None:
        """Say that it is time to end; at once is without giving vLLM time for it."""
        with contextlib.suppress(OSError, ValueError):  # it has ended, or was asked before
            pipe = cast("IO[bytes]", self.watch.stdin)
            pipe.write(b"now" if at_once else b"end")  # an end without a word is that of this process
            pipe.close()

    def end(self, *, at_once: bool = False) -> None:
        """End all processes, and wait until they have."""
        self.ask_to_end(at_once=at_once)
        self.watch.wait()
        self.reserved.close()

    def remove(self, *, keep_log: bool = False) -> None:
        """Remove what it has put on the disk; a log that somebody named stays."""
        if keep_log and self.log.is_relative_to(self.directory):
            for path in self.directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path != self.log:
                    path.unlink()
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def start_process(
    command: Command, *, host: str, reserved: socket.socket, api_key: str, log: Path | None
) -> ServerProcess:
    """Start a server below a process that watches over it.

    Raises:
        ConfigurationError: nothing can be written to the log.
    """
    port = reserved.getsockname()[1]
    directory = _make_directory()
    file = log or directory / "engine.log"
    settings = {"command": command.words, "directory": str(directory), "grace": _GRACE}
    if sys.platform != "linux":
        reserved.close()  # elsewhere two sockets cannot be bound to one port
    try:
        with _append_to(file) as out:
            begin = out.tell()
            watch = subprocess.Popen(
                # -P: the script's own folder is no place to import from
                [sys.executable, "-P", str(_CHILD), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=_variables(command, host, api_key, directory),
                start_new_session=True,  # a Ctrl-C in the terminal is for us, and we end the child
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return ServerProcess(
        watch=watch,
        directory=directory,
        log=file,
        start_log=StartLog(file, begin),
        command=command,
        port=port,
        reserved=reserved,
    )


def _variables(command: Command, host: str, api_key: str, directory: Path) -> dict[str, str]:
    compiled = Path(tempfile.gettempdir()) / f"torchinductor_{_user()}"
    defaults = {
        "TORCHINDUCTOR_CACHE_DIR": str(compiled),  # stays where it is, or all would be compiled anew
        "PYTHONUNBUFFERED": "1",
    }
    if is_loopback(host):
        defaults["VLLM_HOST_IP"] = "127.0.0.1"  # what its processes say to each other stays here, too
    ours = {
        "VLLM_API_KEY": api_key,  # not as a flag, which everybody on the machine can read
        "TMPDIR": str(directory),  # its sockets go with it
        "VLLM_RPC_BASE_PATH": str(directory),
    }
    return defaults | dict(os.environ) | dict(command.environment) | ours


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as somebody without a name
        return str(os.getuid())


def _make_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="weaver-vllm-"))
    if len(str(directory)) > _LONGEST_FOLDER:
        directory.rmdir()
        return Path(tempfile.mkdtemp(prefix="weaver-vllm-", dir="/tmp"))
    return directory


def _append_to(log: Path) -> IO[bytes]:
    try:
        return log.open("ab")
    except OSError as error:
        raise ConfigurationError(f"VLLMServer(log={str(log)!r}): {error.strerror}") from error
