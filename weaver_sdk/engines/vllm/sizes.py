"""Chooses a vLLM server's GPUs and cache size from the hardware and the model's size."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weaver_sdk.engines.hardware import Gpu, Hardware
from weaver_sdk.errors import ConfigurationError, EngineStartFailed

GPU_SHARE = 0.9
"""The share of a GPU's memory to use at most, unless more is requested."""
SPARE_GIB = 4.0
"""Kept free besides the weights: on each GPU for activations and a small cache, on a host for vLLM's
processes (three of them take 2.9 GiB with a tiny model)."""
_CONFIGS = ("config.json", "params.json")
_CACHE_GIB = (1, 64)
"""The minimum and maximum of a host's memory to use for the cache."""


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """The size of a model, read from its folder."""

    weights_gib: float
    heads: int | None = None
    """Attention heads; a tensor-parallel size has to divide them."""
    bits: int | None = 16
    """Bits of a weight in its files; `None` if it is quantised."""

    def gib_in(self, bits: int | None) -> float:
        """Return what the weights take with so many bits each; `None`: as they are."""
        return self.weights_gib if bits is None or self.bits is None else self.weights_gib * bits / self.bits


@dataclass(frozen=True, kw_only=True)
class GpuSizes:
    """How a model is spread over GPUs."""

    tensor_parallel: int = 1
    data_parallel: int = 1
    memory_share: float | None = None
    """Share of each GPU's memory, 0 to 1; `None` if the GPUs are unknown."""
    devices: str | None = None
    """The GPUs to use, in the format of `CUDA_VISIBLE_DEVICES`; `None` for all."""


def read_model(folder: Path) -> ModelSize:
    """Read a model's size from its folder, without opening the weights.

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
    return ModelSize(weights_gib=size / 1024**3, heads=_heads(config), bits=_bits(config))


def _heads(config: dict[str, Any]) -> int | None:
    found = _values(config, "num_attention_heads", "n_heads")
    return next((heads for heads in found if isinstance(heads, int) and heads > 0), None)


def _bits(config: dict[str, Any]) -> int | None:
    if any(_values(config, "quantization_config", "quantization", "compression_config")):
        return None
    return 32 if "float32" in _values(config, "dtype", "torch_dtype") else 16


def _values(config: dict[str, Any], *names: str) -> list[Any]:
    """Return the values of some settings, those of a multimodal model's language model last."""
    inner = config.get("text_config")
    configs = (config, inner) if isinstance(inner, dict) else (config,)
    return [part[name] for part in configs for name in names if name in part]


def gpu_sizes(
    hardware: Hardware,
    model: ModelSize | None,
    *,
    tensor_parallel: int | None = None,
    data_parallel: int | None = None,
    memory_share: float | None = None,
    choose_devices: bool = True,
) -> GpuSizes:
    """Spread a model over the fewest GPUs that hold it, the emptiest first.

    A model of unknown size gets all GPUs. There is one replica unless more are requested: the threads of a
    fork share a prefix, which is in the cache of one replica.

    Args:
        choose_devices: whether to choose the GPUs; if not, the server takes the first ones.

    Raises:
        ConfigurationError: more GPUs are requested than there are.
        EngineStartFailed: the GPUs are full.
    """
    replicas = data_parallel or 1
    gpus = sorted(hardware.gpus, key=lambda gpu: -gpu.free_gib)
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
    chosen = gpus[: width * replicas] if choose_devices else list(hardware.gpus)[: width * replicas]
    free = min(gpu.free_gib / gpu.total_gib for gpu in chosen)
    share = min(GPU_SHARE, math.floor((free - 0.02) * 100) / 100)
    if memory_share is None and share < 0.05:
        fullest = min(chosen, key=lambda gpu: gpu.free_gib / gpu.total_gib)
        raise EngineStartFailed(
            f"GPU {fullest.index} ({fullest.name}) is full: {fullest.free_gib:.1f} of "
            f"{fullest.total_gib:.0f} GiB are free. Stop what is running on it, or set CUDA_VISIBLE_DEVICES"
        )
    some = choose_devices and len(chosen) < len(gpus)
    return GpuSizes(
        tensor_parallel=width,
        data_parallel=replicas,
        memory_share=share if memory_share is None else memory_share,
        devices=",".join(str(index) for index in sorted(gpu.index for gpu in chosen)) if some else None,
    )


def _width(gpus: list[Gpu], most: int, model: ModelSize | None) -> int:
    heads = model.heads if model and model.heads else 2**10
    widths = [width for width in range(1, max(1, most) + 1) if heads % width == 0]
    if model is not None:
        for width in widths:
            room = min(gpu.free_gib for gpu in gpus[:width]) * GPU_SHARE
            if model.weights_gib / width + SPARE_GIB <= room:
                return width
    return widths[-1]


def cpu_cache_gib(hardware: Hardware, weights_gib: float) -> int | None:
    """Return the cache size of a server on the CPU, in GiB: half of the memory that is left for it.

    `None` if the free memory is unknown.
    """
    if hardware.free_gib is None:
        return None
    left = hardware.free_gib - SPARE_GIB - weights_gib
    least, most = _CACHE_GIB
    return max(least, min(most, int(left / 2)))
