"""Starts a llama.cpp server on a free loopback port, and stops it without leaving anything."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.engines.hub import HubModel
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.engines.llama.process import EngineProcess, end, is_healthy, spawn, why_it_failed
from weaver_sdk.engines.models import LocalModel, fetch_in_background, fetch_model, find_model
from weaver_sdk.errors import ConfigurationError, EngineError, EngineStartFailed
from weaver_sdk.options import Limits, RetryPolicy

_log = logging.getLogger("weaver_sdk")


class LlamaServer:
    """Serves a GGUF model with llama.cpp in a child process, on the loopback interface.

    Use it as `async with` (or `with`), or call `start` and `stop`. The child exits with this process, even if
    this process is killed: it exits when the pipe between the two closes.

    Args:
        model: What `engines.models.find_model` takes: a GGUF file, "hf:OWNER/REPO[:FILE]", "smollm2"; the
            packaged model if not given. A model of the hub is downloaded at the start.
        slots: Concurrent completions. A thread of a fork takes one.
        context_tokens: Tokens that one completion may hold, its prompt included; if not given, 2048, or 4096
            for the packaged model. Memory is allocated for `slots * context_tokens`.
        threads: CPU threads for inference. More than there are idle cores slows everything down several
            times.
        port: 0 for any free port.
        start_timeout: Seconds to wait until the server is healthy.

    Raises:
        ConfigurationError: a number is out of range, or "hf:…" names no repository.
        EngineStartFailed: the package that holds the model is not installed.
    """

    def __init__(
        self,
        model: Path | str | LocalModel | HubModel | None = None,
        *,
        slots: int = 8,
        context_tokens: int | None = None,
        threads: int = 1,
        port: int = 0,
        start_timeout: float = 120.0,
    ) -> None:
        self._source = find_model(model)
        if context_tokens is None:
            context_tokens = self._source.context_tokens
        for name, value in (("slots", slots), ("context_tokens", context_tokens), ("threads", threads)):
            if value < 1:
                raise ConfigurationError(f"LlamaServer({name}={value}): use 1 or more")
        self.slots = slots
        self.context_tokens = context_tokens
        self.threads = threads
        self._port = port
        self._start_timeout = start_timeout
        self._engine: EngineProcess | None = None
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
        source = self._source if isinstance(self._source, HubModel) else self._source.path
        return f"llama.cpp {source}, {self.slots} x {self.context_tokens} tokens, {self.threads} threads"

    @property
    def model(self) -> Path:
        """The GGUF file.

        Raises:
            EngineError: it is not yet downloaded.
        """
        if isinstance(self._source, HubModel):
            raise EngineError(f"{self._source} is downloaded when the engine starts")
        return self._source.path

    @property
    def model_name(self) -> str:
        """The model's name in requests and results."""
        return self._source.name

    def outside_range(self, question: str) -> str | None:
        """Return why the model cannot answer a question, in words; `None` if it can, or nothing is known."""
        known = None if isinstance(self._source, HubModel) else self._source.outside_range
        return None if known is None else known(question)

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
            EngineNotInstalled: xllamacpp is missing, or the library of the hub.
            EngineStartFailed: the model could not be found, downloaded or loaded, or not in time.
        """
        self._source = fetch_model(self._source)
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
        end(engine.process)
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

    async def wait(self) -> None:
        """Wait until the engine ends.

        Raises:
            EngineError: it ended by itself, or is not running.
        """
        if self._engine is None:
            raise EngineError("the engine is not running: start it, or use it as `async with`")
        status = await asyncio.to_thread(self._engine.process.wait)
        if self._engine is not None:
            raise EngineError(f"the engine exited by itself, with exit status {status}: see {self.log_path}")

    async def __aenter__(self) -> LlamaServer:
        self._source = await fetch_in_background(self._source)
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

    def _spawn(self) -> EngineProcess:
        if self._engine is not None:
            raise EngineError("the engine is already running")
        self._engine = spawn(
            self.model,
            name=self.model_name,
            port=self._port,
            slots=self.slots,
            context_tokens=self.context_tokens,
            threads=self.threads,
        )
        return self._engine

    def _await_ready(self, engine: EngineProcess) -> str | None:
        """Block until the server is healthy; return the failure, if any."""
        deadline = time.monotonic() + self._start_timeout
        timer = threading.Timer(self._start_timeout, engine.process.kill)  # a pipe has no read timeout
        timer.daemon = True
        timer.start()
        try:
            with cast("IO[str]", engine.process.stdout) as report:
                url = report.readline().strip()
            while url and engine.process.poll() is None:
                if is_healthy(url):
                    self._url = url
                    return None
                time.sleep(0.02)
        finally:
            timer.cancel()
        if time.monotonic() >= deadline:
            return f"it was not ready after {self._start_timeout:g} s; a larger start_timeout may help"
        return f"it exited with status {engine.process.wait()}"

    def _start_failed(self, engine: EngineProcess, failure: str) -> EngineStartFailed:
        end(engine.process)
        shutil.rmtree(engine.directory / "slots", ignore_errors=True)
        self._engine, self._url = None, ""
        return EngineStartFailed(why_it_failed(engine, failure, self.model, self._port))

    def _discard(self, engine: EngineProcess) -> None:
        end(engine.process)
        shutil.rmtree(engine.directory, ignore_errors=True)
        self._engine, self._url = None, ""
