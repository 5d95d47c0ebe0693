"""A vLLM server of our own: started with what the machine has, stopped without a trace."""

from __future__ import annotations

import asyncio
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
from weaver_sdk.engines.hardware import this_machine
from weaver_sdk.engines.vllm.build import find_build
from weaver_sdk.engines.vllm.choice import Device, Wishes, choose_command
from weaver_sdk.engines.vllm.command import Flags, read_flags
from weaver_sdk.engines.vllm.failure import explain
from weaver_sdk.engines.vllm.port import address, reached_at, reserve_port
from weaver_sdk.engines.vllm.process import ServerProcess, start_process
from weaver_sdk.engines.vllm.progress import Progress
from weaver_sdk.engines.vllm.ready import Asker, NotReady
from weaver_sdk.errors import ConfigurationError, EngineError, EngineStartFailed
from weaver_sdk.options import Limits, RetryPolicy

_log = logging.getLogger("weaver_sdk")
_T = TypeVar("_T")

_LOG_LINES = 12
"""How much of the log goes into an error message."""


class VLLMServer:
    """Serves a model with vLLM in processes of its own.

    Use it as `async with` (or `with`), or call `start` and `stop`. All its processes end with this one,
    however this one ends.

    Args:
        model: A folder, or a name on the hub.
        executable: A `vllm` command, or the Python of another environment; the vLLM of this Python where not
            given.
        device: Whether the vLLM of `executable` computes on GPUs or on the CPU, for one that cannot be asked.
        served_model_name: The name in requests; the folder's, or the name on the hub, where not given.
        host: The address to listen on. Any other than the loopback interface can be reached from elsewhere.
        port: 0 lets the operating system choose.
        api_key: The key that requests have to carry; else `VLLM_API_KEY`, else one that is made.
        context_tokens: Tokens that one completion may hold, its prompt included; what the model was made for
            where not given.
        tensor_parallel: GPUs that share the weights; the fewest that hold them where not given.
        data_parallel: Replicas, each with a cache of its own; 1 where not given.
        gpu_memory_share: Of each GPU's memory, 0 to 1; 0.9, or what is free of it, where not given.
        kv_cache_gib: Memory for the cache, on the CPU; half of what is free where not given.
        threads: CPU threads for the arithmetic, on the CPU, bound to no core; all cores but one, each
            with a thread bound to it, where not given.
        flags: Further flags of vLLM: by name, or as they are typed. One that is given goes before ours.
        environment: Further variables for vLLM.
        log: A file for what vLLM logs, which stays; else it is kept only where the server failed.
        on_progress: Called about once a second while it starts, and with every phase.
        start_timeout: Seconds until a server that is still starting counts as failed.

    Raises:
        ConfigurationError: a number is out of range, or a flag is given that has a parameter.
    """

    warms_joins: bool = True
    """Decoding leaves room to compute joins ahead: see docs/caching.md for what it gains."""

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
        self._wishes = Wishes(
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
        return f"VLLMServer({self.model!r})"  # the key is no part of it

    @property
    def url(self) -> str:
        """The server's address, where `/health` and `/metrics` are.

        Raises:
            EngineError: the engine does not run.
        """
        if not self._url:
            raise EngineError("the engine does not run: start it, or use it as `async with`")
        return self._url

    @property
    def base_url(self) -> str:
        """Where the OpenAI-compatible endpoints are."""
        return self.url + "/v1"

    @property
    def pid(self) -> int | None:
        """The process that watches over the server's; `None` while the engine does not run."""
        return self._server.watch.pid if self._server else None

    @property
    def command(self) -> str | None:
        """What to type in a shell for the same server, without its key; `None` while it does not run."""
        return self._server.command.by_hand if self._server else None

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
        """Return a backend that has the key, and need not ask what this server can do.

        Args:
            retries: further attempts after a failed one, or a whole `RetryPolicy`.
            timeouts: limits on waiting, in seconds.
            max_concurrency: completions at once, or whole `Limits`.

        Raises:
            EngineError: the engine does not run.
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
        """Start vLLM and wait until it has written a token.

        Raises:
            EngineNotInstalled: there is no vLLM.
            EngineStartFailed: it ended, or was not ready in time; the message says why where the log does.
            ConfigurationError: more GPUs are asked for than there are.
        """
        server = self._spawn()
        try:
            for progress in self._steps(server):
                self._tell(progress)
        except BaseException as error:
            self._abandon(error)
            raise
        return self

    def stop(self) -> None:
        """End the server and all its processes; calling it again does nothing."""
        server, self._server, self._url = self._server, None, ""
        if server is None:
            return
        crashed = server.watch.poll()
        server.end()
        if crashed is not None:  # nobody asked it to end, so its log may be wanted
            _log.warning("vLLM had ended by itself, with exit status %d: see %s", crashed, server.log)
            server.remove(keep_log=True)
        else:
            server.remove()

    async def wait(self) -> NoReturn:
        """Wait until the server ends, which it does not do by itself.

        Raises:
            EngineError: it has ended.
        """
        server = self._server
        if server is None:
            raise EngineError("the engine does not run: start it, or use it as `async with`")
        status = await asyncio.to_thread(server.watch.wait)
        cause = self._cause(server, status)
        how = f"vLLM has ended by itself, with exit status {status}"
        raise EngineError(f"{how}{f': {cause}' if cause else ''} (its log: {server.log})")

    def __enter__(self) -> VLLMServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> VLLMServer:
        if self._server is not None:
            raise EngineError("the engine runs already")
        try:
            steps = self._steps(await _finish(self._spawn))
            while (progress := await _finish(_step, steps, on_cancel=self._hurry)) is not None:
                self._tell(progress)
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
            raise EngineError("the engine runs already")
        build = find_build(self._executable)
        reserved = reserve_port(self.host, self._port)
        try:
            machine = this_machine(self._wishes.variables)
            command = choose_command(build, self._wishes, machine, reserved.getsockname()[1])
            self._server = start_process(
                command, host=self.host, reserved=reserved, api_key=self.api_key, log=self._log
            )
        except BaseException:
            reserved.close()
            raise
        _log.info("vLLM %s: %s", build.version or "of unknown version", command.by_hand)
        return self._server

    def _steps(self, server: ServerProcess) -> Iterator[Progress]:
        """Wait until the server can be used, and say how far it is; each step takes a moment.

        Raises:
            EngineStartFailed: it cannot.
        """
        asker = Asker(host=reached_at(self.host), port=server.port, api_key=self.api_key)
        deadline = server.began + self._start_timeout
        told: Progress | None = None
        while not asker.is_healthy():
            try:
                status = server.watch.wait(0.1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            else:
                raise self._died(server, status)
            if now > deadline:
                raise self._too_slow(server)
            progress = server.start_log.look(now - server.began)
            if told is None or progress.phase != told.phase or progress.seconds - told.seconds >= 1.0:
                told = progress
                yield progress
        yield server.start_log.at("trying it", time.monotonic() - server.began)
        try:
            longest = asker.context_tokens(self.model_name)
            asker.generate(self.model_name, max(1.0, deadline - time.monotonic()))
        except NotReady as error:
            cause = self._cause(server)
            raise self._start_failed(server, f"{error}{f' ({cause})' if cause else ''}") from error
        except TimeoutError as error:
            raise self._too_slow(server) from error
        except (OSError, http.client.HTTPException) as error:
            server.ask_to_end()
            raise self._died(server, server.watch.wait()) from error
        server.reserved.close()
        self.context_tokens = longest
        self._url = address(self.host, server.port)
        yield server.start_log.at("ready", time.monotonic() - server.began)

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)

    def _too_slow(self, server: ServerProcess) -> EngineStartFailed:
        slow = f"it was not ready after {self._start_timeout:g} s; a larger start_timeout may help"
        return self._start_failed(server, slow)

    def _died(self, server: ServerProcess, status: int) -> EngineStartFailed:
        cause = self._cause(server, status)
        return self._start_failed(server, cause or f"it ended with exit status {status}")

    def _cause(self, server: ServerProcess, status: int | None = None) -> str | None:
        return explain(server.start_log.lines(), status=status, model=self.model)

    def _start_failed(self, server: ServerProcess, failure: str) -> EngineStartFailed:
        server.end(at_once=True)
        tail = "\n".join(f"  {line}" for line in server.start_log.lines()[-_LOG_LINES:])
        return EngineStartFailed(
            f"vLLM did not start: {failure}.\nBy hand: {server.command.by_hand}\n"
            f"The end of its log ({server.log}):\n{tail}".replace(self.api_key, "[key]")
        )

    def _abandon(self, error: BaseException) -> None:
        """End a server that is starting; what it has logged is of use only where that failed."""
        server, self._server, self._url = self._server, None, ""
        if server is not None:
            server.end(at_once=True)
            server.remove(keep_log=isinstance(error, EngineStartFailed))

    def _hurry(self) -> None:
        if self._server is not None:
            self._server.ask_to_end(at_once=True)


def _step(steps: Iterator[Progress]) -> Progress | None:
    return next(steps, None)  # an end that is raised cannot leave a thread


async def _finish(
    work: Callable[..., _T], *arguments: object, on_cancel: Callable[[], object] | None = None
) -> _T:
    """Wait for a thread to end its work, also where the wait is cancelled: then the cancellation goes on."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        await asyncio.wait([task])
        if (error := task.exception()) is not None:
            _log.debug("while a start was cancelled: %r", error)
        raise


def _find_model(model: str | Path) -> tuple[str, Literal["folder", "file", "name"]]:
    """Return the model as vLLM takes it, and what it is."""
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path.resolve()), "folder"
    if path.is_file():
        return str(path.resolve()), "file"
    if isinstance(model, Path) or re.match(r"[./~]", model):
        raise EngineStartFailed(f"there is no folder {path}")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise ConfigurationError(f"VLLMServer({model!r}): give a folder, or a name on the hub")
    return model, "name"
