"""How large a vLLM server is made: chosen from the machine and the model, where nothing is given."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weaver_sdk.engines.hardware import Gpu, Machine
from weaver_sdk.errors import ConfigurationError, EngineStartFailed

GPU_SHARE = 0.9
"""The most that is taken of a GPU's memory, unless more is asked for."""
_SPARE_GIB = 4.0
"""Of each GPU, beside the weights, for activations and a small cache; of a host, for vLLM's processes: three
of them hold 2.9 GiB with a model of no size."""
_CONFIGS = ("config.json", "params.json")
_CACHE_GIB = (1, 64)
"""The least and the most of a host's memory that is taken for the cache."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the folder of a model tells about its size."""

    weights_gib: float
    heads: int | None = None
    """Attention heads; a tensor-parallel size has to divide them."""


@dataclass(frozen=True, kw_only=True)
class GpuSizes:
    """How a model is spread over GPUs."""

    tensor_parallel: int = 1
    data_parallel: int = 1
    memory_share: float | None = None
    """Of each GPU's memory, 0 to 1; `None` where nothing is known of the GPUs."""
    devices: str | None = None
    """The GPUs to use, where that is not all of them, as `CUDA_VISIBLE_DEVICES` takes it."""


def read_model(folder: Path) -> Model:
    """Look at a model's folder, not into its weights.

    Raises:
        EngineStartFailed: it holds no model.
    """
    file = next((folder / name for name in _CONFIGS if (folder / name).is_file()), None)
    if file is None:
        raise EngineStartFailed(f"{folder} holds no model: there is no {' or '.join(_CONFIGS)}")
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EngineStartFailed(f"{file} cannot be read: {error}") from error
    files = list(folder.glob("*.safetensors")) or list(folder.glob("*.bin")) or list(folder.glob("*.pt"))
    if not files:
        raise EngineStartFailed(f"{folder} holds no weights: there is no *.safetensors file")
    size = sum(file.stat().st_size for file in files)
    return Model(weights_gib=size / 1024**3, heads=_heads(config))


def _heads(config: dict[str, Any]) -> int | None:
    inner = config.get("text_config")  # of a model that also sees
    places = (config, inner) if isinstance(inner, dict) else (config,)
    found = (place.get(name) for place in places for name in ("num_attention_heads", "n_heads"))
    return next((heads for heads in found if isinstance(heads, int) and heads > 0), None)


def gpu_sizes(
    machine: Machine,
    model: Model | None,
    *,
    tensor_parallel: int | None = None,
    data_parallel: int | None = None,
    memory_share: float | None = None,
    choose_devices: bool = True,
) -> GpuSizes:
    """Spread a model over the fewest GPUs that hold it, the emptiest first.

    A model of unknown size gets all GPUs. There is one replica unless more are asked for: the threads of a
    fork share a prefix, and it lies in the cache of one.

    Args:
        choose_devices: whether the server may be told which GPUs to use.

    Raises:
        ConfigurationError: more GPUs are asked for than there are.
        EngineStartFailed: the GPUs are full.
    """
    replicas = data_parallel or 1
    gpus = sorted(machine.gpus, key=lambda gpu: -gpu.free_gib)
    if not gpus:
        return GpuSizes(
            tensor_parallel=tensor_parallel or 1, data_parallel=replicas, memory_share=memory_share
        )
    width = tensor_parallel or _width(gpus, len(gpus) // replicas, model)
    if width * replicas > len(gpus):
        raise ConfigurationError(
            f"tensor_parallel={width} and data_parallel={replicas} need {width * replicas} GPUs, "
            f"and there are {len(gpus)}"
        )
    chosen = gpus[: width * replicas] if choose_devices else list(machine.gpus)[: width * replicas]
    free = min(gpu.free_gib / gpu.total_gib for gpu in chosen)
    share = min(GPU_SHARE, math.floor((free - 0.02) * 100) / 100)
    if memory_share is None and share < 0.05:
        fullest = min(chosen, key=lambda gpu: gpu.free_gib / gpu.total_gib)
        raise EngineStartFailed(
            f"GPU {fullest.index} ({fullest.name}) is full: {fullest.free_gib:.1f} of "
            f"{fullest.total_gib:.0f} GiB are free. End what runs on it, or set CUDA_VISIBLE_DEVICES"
        )
    some = choose_devices and len(chosen) < len(gpus)
    return GpuSizes(
        tensor_parallel=width,
        data_parallel=replicas,
        memory_share=share if memory_share is None else memory_share,
        devices=",".join(str(index) for index in sorted(gpu.index for gpu in chosen)) if some else None,
    )


def _width(gpus: list[Gpu], most: int, model: Model | None) -> int:
    heads = model.heads if model and model.heads else 2**10
    widths = [width for width in range(1, max(1, most) + 1) if heads % width == 0]
    if model is not None:
        for width in widths:
            room = min(gpu.free_gib for gpu in gpus[:width]) * GPU_SHARE
            if model.weights_gib / width + _SPARE_GIB <= room:
                return width
    return widths[-1]


def cpu_cache_gib(machine: Machine, model: Model | None) -> int | None:
    """Return how much memory a server on the CPU gets for its cache: half of what the rest leaves free.

    `None` where nothing is known of the memory.
    """
    if machine.free_gib is None:
        return None
    left = machine.free_gib - _SPARE_GIB - (model.weights_gib if model else 0.0)
    least, most = _CACHE_GIB
    return max(least, min(most, int(left / 2)))
