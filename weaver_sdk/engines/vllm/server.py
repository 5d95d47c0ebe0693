"""Starts a vLLM server with settings for this machine, and stops it without leaving anything."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import logging
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, NoReturn, TypeVar

from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.engines.hardware import detect_hardware
from weaver_sdk.engines.vllm.build import find_build
from weaver_sdk.engines.vllm.choice import Device, LaunchOptions, choose_command
from weaver_sdk.engines.vllm.command import Flags, read_flags
from weaver_sdk.engines.vllm.failure import explain
from weaver_sdk.engines.vllm.port import address, connect_host, reserve_port
from weaver_sdk.engines.vllm.process import ServerProcess, start_process
from weaver_sdk.engines.vllm.progress import Progress
from weaver_sdk.engines.vllm.ready import NotReady, ReadinessCheck
from weaver_sdk.errors import ConfigurationError, EngineError, EngineStartFailed
from weaver_sdk.options import Limits, RetryPolicy

_log = logging.getLogger("weaver_sdk")
_T = TypeVar("_T")

_LOG_LINES = 12
"""Lines of the log in an error message."""


class VLLMServer:
    """Serves a model with vLLM in child processes.

    Use it as `async with` (or `with`), or call `start` and `stop`. All its processes exit with this one, even
    if this one is killed.

    Args:
        model: A folder, or a name on the hub.
        executable: A `vllm` command, or the Python of another environment; if not given, the vLLM of this
            Python.
        device: Whether vLLM runs on GPUs or on the CPU, if its build cannot be detected from `executable`.
        served_model_name: The name in requests; if not given, the folder's, or the name on the hub.
        host: The address to listen on. Any but the loopback interface is reachable from other machines.
        port: 0 for any free port.
        api_key: The key that requests must carry; if not given, `VLLM_API_KEY`, else a random one.
        context_tokens: Tokens that one completion may hold, its prompt included; if not given, the model's
            maximum.
        tensor_parallel: GPUs that share the weights; if not given, the fewest that hold them.
        data_parallel: Replicas, each with a cache of its own; 1 if not given.
        gpu_memory_share: Share of each GPU's memory, 0 to 1; if not given, 0.9 or what is free.
        kv_cache_gib: Memory for the KV cache, on the CPU; if not given, half of what is free.
        threads: Threads for inference on the CPU, not bound to cores; if not given, one bound to each core
            but one.
        flags: Further flags of vLLM, as a mapping or a list of words. They replace default flags.
        environment: Further environment variables for vLLM.
        log: A file for vLLM's log, which is kept; if not given, the log is kept only if the server failed.
        on_progress: Called about once a second while the server starts, and with every phase.
        start_timeout: Seconds to wait until the server is ready.

    Raises:
        ConfigurationError: a number is out of range, or a flag has a parameter of its own.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        executable: str | Path | None = None,
        device: Device = "auto",
        served_model_name: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        context_tokens: int | None = None,
        tensor_parallel: int | None = None,
        data_parallel: int | None = None,
        gpu_memory_share: float | None = None,
        kv_cache_gib: int | None = None,
        threads: int | None = None,
        flags: Flags = (),
        environment: Mapping[str, str] | None = None,
        log: str | Path | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        start_timeout: float = 1800.0,
    ) -> None:
        self.model, kind = _find_model(model)
        path = Path(self.model)
        name = {"folder": path.name, "file": path.stem, "name": self.model}[kind]
        self.model_name = served_model_name or name
        if not 0 <= port < 2**16:
            raise ConfigurationError(f"VLLMServer(port={port}): use 0 to 65535")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigurationError("VLLMServer(api_key=…): use printable ASCII without spaces")
        self.host = host
        self.api_key = api_key or os.environ.get("VLLM_API_KEY") or secrets.token_urlsafe(24)
        self.context_tokens = context_tokens
        self._options = LaunchOptions(
            model=self.model,
            folder=kind == "folder",
            model_name=self.model_name,
            host=host,
            device=device,
            context_tokens=context_tokens,
            tensor_parallel=tensor_parallel,
            data_parallel=data_parallel,
            gpu_memory_share=gpu_memory_share,
            kv_cache_gib=kv_cache_gib,
            threads=threads,
            flags=read_flags(flags),
            environment=dict(environment or {}),
        )
        self._executable = executable
        self._port = port
        self._log = Path(log).expanduser().resolve() if log is not None else None
        self._on_progress = on_progress
        self._start_timeout = start_timeout
        self._server: ServerProcess | None = None
        self._url = ""

    def __repr__(self) -> str:
        return f"VLLMServer({self.model!r})"  # without the API key

    @property
    def identity(self) -> str:
        """Its kind and model, by which measures of it are kept; the settings as a digest, for they may hold
        anything that a user passes on to vLLM."""
        settings = repr((self._options, str(self._executable)))
        return f"vLLM {self.model}, {hashlib.sha256(settings.encode()).hexdigest()[:16]}"

    @property
    def url(self) -> str:
        """The server's address, the base of `/health` and `/metrics`.

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
        """The process id of the supervisor; `None` while the engine is not running."""
        return self._server.supervisor.pid if self._server else None

    @property
    def command(self) -> str | None:
        """The shell command for the same server, without its key; `None` while it is not running."""
        return self._server.command.by_hand if self._server else None

    @property
    def dtype_note(self) -> str | None:
        """The number format that was chosen for this CPU, and why: "float32: this CPU has …".

        `None` on a GPU, if the format was given, or while the engine is not running.
        """
        return self._server.command.note if self._server else None

    @property
    def log_path(self) -> Path | None:
        """The server's log."""
        return self._server.log if self._server else None

    def backend(
        self,
        *,
        retries: int | RetryPolicy = 2,
        timeouts: Timeouts | None = None,
        max_concurrency: int | Limits = 64,
    ) -> CompletionsBackend:
        """Return a backend with the server's key and capabilities: it sends no probes.

        Args:
            retries: further attempts after a failed one, or a whole `RetryPolicy`.
            timeouts: limits on waiting, in seconds.
            max_concurrency: concurrent completions, or whole `Limits`.

        Raises:
            EngineError: the engine is not running.
        """
        return CompletionsBackend(
            self.model_name,
            self.base_url,
            self.api_key,
            capabilities=replace(KNOWN["vllm"], context_tokens=self.context_tokens),
            retries=retries,
            timeouts=timeouts,
            max_concurrency=max_concurrency,
        )

    def start(self) -> VLLMServer:
        """Start vLLM and wait until it has generated a token.

        Raises:
            EngineNotInstalled: there is no vLLM.
            EngineStartFailed: it exited, or was not ready in time; the message has the cause, if logged.
            ConfigurationError: more GPUs are requested than there are.
        """
        server = self._spawn()
        try:
            for progress in self._steps(server):
                self._report(progress)
        except BaseException as error:
            self._abandon(error)
            raise
        return self

    def stop(self) -> None:
        """Stop the server and all its processes; calling it again does nothing."""
        server, self._server, self._url = self._server, None, ""
        if server is None:
            return
        crashed = server.supervisor.poll()
        server.end()
        if crashed is not None:  # it crashed: keep its log
            _log.warning("vLLM exited by itself, with exit status %d: see %s", crashed, server.log)
            server.remove(keep_log=True)
        else:
            server.remove()

    async def wait(self) -> NoReturn:
        """Wait until the server exits, which it does only if it crashes.

        Raises:
            EngineError: it has exited.
        """
        server = self._server
        if server is None:
            raise EngineError("the engine is not running: start it, or use it as `async with`")
        status = await asyncio.to_thread(server.supervisor.wait)
        cause = self._cause(server, status)
        how = f"vLLM exited by itself, with exit status {status}"
        raise EngineError(f"{how}{f': {cause}' if cause else ''} (its log: {server.log})")

    def __enter__(self) -> VLLMServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> VLLMServer:
        if self._server is not None:
            raise EngineError("the engine is already running")
        try:
            steps = self._steps(await _finish(self._spawn))
            while (progress := await _finish(_step, steps, on_cancel=self._hurry)) is not None:
                self._report(progress)
        except BaseException as error:
            await _finish(self._abandon, error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _finish(self.stop)

    def _spawn(self) -> ServerProcess:
        if self._server is not None:
            raise EngineError("the engine is already running")
        build = find_build(self._executable)
        reserved = reserve_port(self.host, self._port)
        try:
            hardware = detect_hardware(self._options.variables)
            command = choose_command(build, self._options, hardware, reserved.getsockname()[1])
            self._server = start_process(
                command, host=self.host, reserved=reserved, api_key=self.api_key, log=self._log
            )
        except BaseException:
            reserved.close()
            raise
        _log.info("vLLM %s: %s", build.version or "of unknown version", command.by_hand)
        if command.note:
            _log.info("vLLM computes in %s", command.note)
        return self._server

    def _steps(self, server: ServerProcess) -> Iterator[Progress]:
        """Wait until the server is ready, and yield its progress; each step is short.

        Raises:
            EngineStartFailed: it exited, or was not ready in time.
        """
        readiness = ReadinessCheck(host=connect_host(self.host), port=server.port, api_key=self.api_key)
        deadline = server.began + self._start_timeout
        reported: Progress | None = None
        while not readiness.is_healthy():
            try:
                status = server.supervisor.wait(0.1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            else:
                raise self._died(server, status)
            if now > deadline:
                raise self._too_slow(server)
            progress = server.start_log.look(now - server.began)
            if (
                reported is None
                or progress.phase != reported.phase
                or progress.seconds - reported.seconds >= 1.0
            ):
                reported = progress
                yield progress
        yield server.start_log.at("trying it", time.monotonic() - server.began)
        try:
            longest = readiness.context_tokens(self.model_name)
            readiness.generate(self.model_name, max(1.0, deadline - time.monotonic()))
        except NotReady as error:
            cause = self._cause(server)
            raise self._start_failed(server, f"{error}{f' ({cause})' if cause else ''}") from error
        except TimeoutError as error:
            raise self._too_slow(server) from error
        except (OSError, http.client.HTTPException) as error:
            server.ask_to_end()
            raise self._died(server, server.supervisor.wait()) from error
        server.reserved.close()
        self.context_tokens = longest
        self._url = address(self.host, server.port)
        yield server.start_log.at("ready", time.monotonic() - server.began)

    def _report(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)

    def _too_slow(self, server: ServerProcess) -> EngineStartFailed:
        slow = f"it was not ready after {self._start_timeout:g} s; a larger start_timeout may help"
        return self._start_failed(server, slow)

    def _died(self, server: ServerProcess, status: int) -> EngineStartFailed:
        cause = self._cause(server, status)
        return self._start_failed(server, cause or f"it exited with status {status}")

    def _cause(self, server: ServerProcess, status: int | None = None) -> str | None:
        return explain(server.start_log.lines(), status=status, model=self.model)

    def _start_failed(self, server: ServerProcess, failure: str) -> EngineStartFailed:
        server.end(at_once=True)
        log_end = "\n".join(f"  {line}" for line in server.start_log.lines()[-_LOG_LINES:])
        return EngineStartFailed(
            f"vLLM did not start: {failure}.\nBy hand: {server.command.by_hand}\n"
            f"The end of its log ({server.log}):\n{log_end}".replace(self.api_key, "[key]")
        )

    def _abandon(self, error: BaseException) -> None:
        """Stop a server that is starting; keep its log only if the start failed."""
        server, self._server, self._url = self._server, None, ""
        if server is not None:
            server.end(at_once=True)
            server.remove(keep_log=isinstance(error, EngineStartFailed))

    def _hurry(self) -> None:
        if self._server is not None:
            self._server.ask_to_end(at_once=True)


def _step(steps: Iterator[Progress]) -> Progress | None:
    return next(steps, None)  # StopIteration cannot be raised out of a thread


async def _finish(
    work: Callable[..., _T], *arguments: object, on_cancel: Callable[[], object] | None = None
) -> _T:
    """Run work in a thread and wait for its end; a cancellation is raised only after it."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        await asyncio.wait([task])
        if (error := task.exception()) is not None:
            _log.debug("error after the start was cancelled: %r", error)
        raise


def _find_model(model: str | Path) -> tuple[str, Literal["folder", "file", "name"]]:
    """Return the model as vLLM takes it, and which kind of name that is."""
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path.resolve()), "folder"
    if path.is_file():
        return str(path.resolve()), "file"
    if isinstance(model, Path) or re.match(r"[./~]", model):
        raise EngineStartFailed(f"there is no folder {path}")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise ConfigurationError(f"VLLMServer({model!r}): pass a folder, or a name on the hub")
    return model, "name"
