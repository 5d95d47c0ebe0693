"""The child process of an engine: how it is spawned, looked at and ended, and why it did not start."""

from __future__ import annotations

import http.client
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from weaver_sdk.errors import EngineNotInstalled, EngineStartFailed

_CHILD = Path(__file__).with_name("child.py")
_LOG_LINES = 12
"""Lines of the log in an error message."""


@dataclass(frozen=True)
class EngineProcess:
    """The process and the files of a running engine."""

    process: subprocess.Popen[str]
    directory: Path

    @property
    def log(self) -> Path:
        """What llama.cpp writes."""
        return self.directory / "engine.log"


def spawn(
    model: Path, *, name: str, port: int, slots: int, context_tokens: int, threads: int
) -> EngineProcess:
    """Start the child, in a working directory of its own; it is not yet ready.

    Raises:
        EngineNotInstalled: xllamacpp is missing.
        EngineStartFailed: the model is no GGUF file.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise EngineNotInstalled('the embedded engine is not installed: pip install "weaver-sdk[local]"')
    _check_gguf(model)
    directory = Path(tempfile.mkdtemp(prefix="weaver-llama-"))
    (directory / "slots").mkdir()
    settings = {
        "model": str(model),
        "name": name,
        "port": port,
        "slots": slots,
        "context_tokens": context_tokens,
        "threads": threads,
        "directory": str(directory),
    }
    try:
        with (directory / "engine.log").open("wb") as log:
            process = subprocess.Popen(
                # -P: do not import from the script's own folder
                [sys.executable, "-P", str(_CHILD), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # a Ctrl-C reaches only this process, which stops the child
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return EngineProcess(process, directory)


def is_healthy(url: str) -> bool:
    """Return whether the server is ready for requests."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end(process: subprocess.Popen[str]) -> None:
    """Kill and reap: the server has nothing to save."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def why_it_failed(engine: EngineProcess, failure: str, model: Path, port: int) -> str:
    """Return what to say of an engine that did not start, with advice and the end of its log."""
    lines = engine.log.read_text(errors="replace").splitlines()
    advice = ""
    if any("couldn't bind" in line for line in lines):
        advice = f" Port {port} is taken: choose another, or 0 for any free one."
    elif any("failed to load model" in line for line in lines):
        advice = f" {model} is damaged, or this llama.cpp does not support it."
    log_end = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
    return f"llama.cpp did not start: {failure}.{advice} The end of its log ({engine.log}):\n{log_end}"


def _check_gguf(model: Path) -> None:
    try:
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise EngineStartFailed(f"the model file cannot be read: {error}") from error
    if magic != b"GGUF":
        raise EngineStartFailed(
            f"{model} is not a GGUF file (it begins with {magic!r}): pass the path of a *.gguf model"
        )
