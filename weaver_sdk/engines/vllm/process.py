"""Starts and stops the processes of one vLLM server."""

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

from weaver_sdk.engines.vllm.command import ServeCommand
from weaver_sdk.engines.vllm.port import is_loopback
from weaver_sdk.engines.vllm.progress import StartLog
from weaver_sdk.errors import ConfigurationError

_CHILD = Path(__file__).with_name("child.py")
_GRACE = 5.0
"""Seconds that vLLM has to shut down before it is killed."""
_LONGEST_FOLDER = 60
"""Characters: vLLM creates sockets in it, whose paths must stay below 108."""


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """The processes and files of a running server."""

    supervisor: subprocess.Popen[bytes]
    """Supervises the server's processes. It exits after the last of them, with the status of the first."""
    directory: Path
    log: Path
    start_log: StartLog
    command: ServeCommand
    port: int
    reserved: socket.socket
    """Holds the port until the server listens on it."""
    began: float = field(default_factory=time.monotonic)

    def ask_to_end(self, *, at_once: bool = False) -> None:
        """Request the shutdown; `at_once` kills without the grace period."""
        with contextlib.suppress(OSError, ValueError):  # it has exited, or was asked before
            pipe = cast("IO[bytes]", self.supervisor.stdin)
            # end of file without a word means that this process died
            pipe.write(b"now" if at_once else b"end")
            pipe.close()

    def end(self, *, at_once: bool = False) -> None:
        """Stop all processes, and wait until they have exited."""
        self.ask_to_end(at_once=at_once)
        self.supervisor.wait()
        self.reserved.close()

    def remove(self, *, keep_log: bool = False) -> None:
        """Delete its files; with `keep_log` the log stays, as does a log outside its folder in any case."""
        if keep_log and self.log.is_relative_to(self.directory):
            for path in self.directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path != self.log:
                    path.unlink()
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def start_process(
    command: ServeCommand, *, host: str, reserved: socket.socket, api_key: str, log: Path | None
) -> ServerProcess:
    """Start a server as the child of its supervisor.

    Raises:
        ConfigurationError: the log cannot be written.
    """
    port = reserved.getsockname()[1]
    directory = _make_directory()
    file = log or directory / "engine.log"
    settings = {"command": command.words, "directory": str(directory), "grace": _GRACE}
    if sys.platform != "linux":
        reserved.close()  # other systems cannot bind two sockets to one port
    try:
        with _append_to(file) as out:
            begin = out.tell()
            supervisor = subprocess.Popen(
                # -P: do not import from the script's own folder
                [sys.executable, "-P", str(_CHILD), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=_environment(command, host, api_key, directory),
                start_new_session=True,  # a Ctrl-C reaches only this process, which stops the child
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return ServerProcess(
        supervisor=supervisor,
        directory=directory,
        log=file,
        start_log=StartLog(file, begin),
        command=command,
        port=port,
        reserved=reserved,
    )


def _environment(command: ServeCommand, host: str, api_key: str, directory: Path) -> dict[str, str]:
    compiled = Path(tempfile.gettempdir()) / f"torchinductor_{_user()}"
    preset = {
        # kept across servers, or everything would be compiled again
        "TORCHINDUCTOR_CACHE_DIR": str(compiled),
        "PYTHONUNBUFFERED": "1",
    }
    if is_loopback(host):
        preset["VLLM_HOST_IP"] = "127.0.0.1"  # its processes communicate over the loopback interface, too
    ours = {
        "VLLM_API_KEY": api_key,  # not as a flag, which every user of the machine can read
        "TMPDIR": str(directory),  # so that its sockets are deleted with it
        "VLLM_RPC_BASE_PATH": str(directory),
    }
    return preset | dict(os.environ) | dict(command.environment) | ours


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
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
