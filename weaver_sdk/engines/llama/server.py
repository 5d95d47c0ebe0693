"""Starts a llama.cpp server on a free loopback port, and stops it without leaving anything."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, cast
from urllib.parse import urlsplit

from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.engines.models import PackagedModel, default_model
from weaver_sdk.errors import ConfigurationError, EngineError, EngineNotInstalled, EngineStartFailed
from weaver_sdk.options import Limits, RetryPolicy

_log = logging.getLogger("weaver_sdk")

_CHILD = Path(__file__).with_name("child.py")
_LOG_LINES = 12
"""Lines of the log in an error message."""


@dataclass(frozen=True)
class _Engine:
    """The process and the files of a running engine."""

    process: subprocess.Popen[str]
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "engine.log"


class LlamaServer:
    """Serves a GGUF model with llama.cpp in a child process, on the loopback interface.

    Use it as `async with` (or `with`), or call `start` and `stop`. The child exits with this process, even if
    this process is killed: it exits when the pipe between the two closes.

    Args:
        model: A GGUF file or a packaged model; if not given, the default of `engines.models`.
        slots: Concurrent completions. A thread of a fork takes one.
        context_tokens: Tokens that one completion may hold, its prompt included; if not given, 2048 or the
            packaged model's value. Memory is allocated for `slots * context_tokens`.
        threads: CPU threads for inference. More than there are idle cores slows everything down several
            times.
        port: 0 for any free port.
        start_timeout: Seconds to wait until the server is healthy.

    Raises:
        ConfigurationError: a number is out of range.
        EngineStartFailed: no model is given and none is packaged.
    """

    def __init__(
        self,
        model: Path | str | PackagedModel | None = None,
        *,
        slots: int = 8,
        context_tokens: int | None = None,
        threads: int = 1,
        port: int = 0,
        start_timeout: float = 120.0,
    ) -> None:
        if model is None or isinstance(model, PackagedModel):
            packaged = model or default_model()
            self.model, self.model_name = packaged.path, packaged.name
            context_tokens = packaged.context_tokens if context_tokens is None else context_tokens
        else:
            self.model = Path(model).expanduser().resolve()
            self.model_name = self.model.stem
        context_tokens = 2048 if context_tokens is None else context_tokens
        for name, value in (("slots", slots), ("context_tokens", context_tokens), ("threads", threads)):
            if value < 1:
                raise ConfigurationError(f"LlamaServer({name}={value}): use 1 or more")
        self.slots = slots
        self.context_tokens = context_tokens
        self.threads = threads
        self._port = port
        self._start_timeout = start_timeout
        self._engine: _Engine | None = None
        self._url = ""

    def __repr__(self) -> str:
        return f"LlamaServer({self.model_name!r})"

    def __del__(self) -> None:
        if getattr(self, "_engine", None) is not None:
            warnings.warn(
                f"{self!r} was not stopped: use `async with` for it, or for the reasoner that started it",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    @property
    def identity(self) -> str:
        """Its kind, model and settings, by which measures of it are kept."""
        return f"llama.cpp {self.model}, {self.slots} x {self.context_tokens} tokens, {self.threads} threads"

    @property
    def url(self) -> str:
        """The server's address, the base of llama.cpp's native endpoints.

        Raises:
            EngineError: the engine is not running.
        """
        if not self._url:
            raise EngineError("the engine is not running: start it, or use it as `async with`")
        return self._url

    @property
    def base_url(self) -> str:
        """The base URL of the OpenAI-compatible endpoints."""
        return self.url + "/v1"

    @property
    def pid(self) -> int | None:
        """The child's process id; `None` while the engine is not running."""
        return self._engine.process.pid if self._engine else None

    @property
    def log_path(self) -> Path | None:
        """The server's log. It is deleted with the engine, unless the engine failed."""
        return self._engine.log if self._engine else None

    def backend(
        self,
        *,
        retries: int | RetryPolicy = 2,
        timeouts: Timeouts | None = None,
        max_concurrency: int | Limits = 64,
    ) -> LlamaBackend:
        """Return a backend for this server that shares prefixes between its slots.

        Args:
            retries: further attempts after a failed one, or a whole `RetryPolicy`.
            timeouts: limits on waiting, in seconds.
            max_concurrency: concurrent completions, or whole `Limits`; never more than there are slots.

        Raises:
            EngineError: the engine is not running.
        """
        return LlamaBackend(
            self.url,
            model=self.model_name,
            slots=self.slots,
            retries=retries,
            timeouts=timeouts,
            max_concurrency=max_concurrency,
        )

    def start(self) -> LlamaServer:
        """Start the engine and wait until it is healthy.

        Raises:
            EngineNotInstalled: xllamacpp is missing.
            EngineStartFailed: the model could not be loaded, or not in time.
        """
        engine = self._spawn()
        try:
            failure = self._await_ready(engine)
        except BaseException:
            self.stop()
            raise
        if failure:
            raise self._start_failed(engine, failure)
        return self

    def stop(self) -> None:
        """Stop the engine at once; calling it again does nothing."""
        engine, self._engine, self._url = self._engine, None, ""
        if engine is None:
            return
        crashed = engine.process.poll()
        _end(engine.process)
        if crashed is not None:  # it crashed: keep its log
            shutil.rmtree(engine.directory / "slots", ignore_errors=True)
            _log.warning("the engine exited by itself, with exit status %d: see %s", crashed, engine.log)
        else:
            shutil.rmtree(engine.directory, ignore_errors=True)

    def __enter__(self) -> LlamaServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> LlamaServer:
        engine = self._spawn()
        waiting = asyncio.ensure_future(asyncio.to_thread(self._await_ready, engine))
        try:
            failure = await asyncio.shield(waiting)
        except BaseException:
            engine.process.kill()  # which ends the waiting thread as well
            try:
                await asyncio.wait([waiting])
            finally:
                self._discard(engine)
            raise
        if failure:
            raise self._start_failed(engine, failure)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()  # takes milliseconds, and must not be interrupted by a cancellation

    def _spawn(self) -> _Engine:
        if self._engine is not None:
            raise EngineError("the engine is already running")
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineNotInstalled('the embedded engine is not installed: pip install "weaver-sdk[local]"')
        _check_gguf(self.model)
        directory = Path(tempfile.mkdtemp(prefix="weaver-llama-"))
        (directory / "slots").mkdir()
        settings = {
            "model": str(self.model),
            "name": self.model_name,
            "port": self._port,
            "slots": self.slots,
            "context_tokens": self.context_tokens,
            "threads": self.threads,
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
        self._engine = _Engine(process, directory)
        return self._engine

    def _await_ready(self, engine: _Engine) -> str | None:
        """Block until the server is healthy; return the failure, if any."""
        deadline = time.monotonic() + self._start_timeout
        timer = threading.Timer(self._start_timeout, engine.process.kill)  # a pipe has no read timeout
        timer.daemon = True
        timer.start()
        try:
            with cast("IO[str]", engine.process.stdout) as report:
                url = report.readline().strip()
            while url and engine.process.poll() is None:
                if _is_healthy(url):
                    self._url = url
                    return None
                time.sleep(0.02)
        finally:
            timer.cancel()
        if time.monotonic() >= deadline:
            return f"it was not ready after {self._start_timeout:g} s; a larger start_timeout may help"
        return f"it exited with status {engine.process.wait()}"

    def _start_failed(self, engine: _Engine, failure: str) -> EngineStartFailed:
        _end(engine.process)
        shutil.rmtree(engine.directory / "slots", ignore_errors=True)
        self._engine, self._url = None, ""
        lines = engine.log.read_text(errors="replace").splitlines()
        advice = ""
        if any("couldn't bind" in line for line in lines):
            advice = f" Port {self._port} is taken: choose another, or 0 for any free one."
        elif any("failed to load model" in line for line in lines):
            advice = f" {self.model} is damaged, or this llama.cpp does not support it."
        log_end = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
        return EngineStartFailed(
            f"llama.cpp did not start: {failure}.{advice} The end of its log ({engine.log}):\n{log_end}"
        )

    def _discard(self, engine: _Engine) -> None:
        _end(engine.process)
        shutil.rmtree(engine.directory, ignore_errors=True)
        self._engine, self._url = None, ""


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


def _is_healthy(url: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[str]) -> None:
    """Kill and reap: the server has nothing to save."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
