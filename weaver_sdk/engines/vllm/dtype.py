"""Chooses the number format that a model is computed in on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weaver_sdk.engines.hardware import Hardware
from weaver_sdk.engines.vllm.command import Flag
from weaver_sdk.engines.vllm.sizes import SPARE_GIB, ModelSize

_FAST = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "BF16"}
"""Flags of CPUs with instructions for bfloat16 (the last on ARM), and what these are called."""

_BITS = {"float32": 32, "float": 32, "bfloat16": 16, "float16": 16, "half": 16}


@dataclass(frozen=True, kw_only=True)
class Dtype:
    """A number format of vLLM, and why it was chosen."""

    name: str | None
    """As `--dtype` takes it; `None` if it is left to vLLM."""
    why: str | None = None
    """`None` if the user chose it."""

    @property
    def bits(self) -> int | None:
        """Bits of a number; `None` if unknown."""
        return _BITS.get(self.name or "")


def cpu_dtype(hardware: Hardware, model: ModelSize | None, given: Sequence[Flag] = ()) -> Dtype:
    """Return the format for a model: the user's, else the one that batches well on this CPU.

    bfloat16 takes half the memory. But without instructions for it, a CPU computes a step of eight streams in
    four to six times the time of one, and in float32 in about twice. AVX-512 alone is not enough: see
    docs/vllm.md for the figures.

    Args:
        model: `None` if its size is unknown.
        given: the user's flags.
    """
    for flag in reversed(given):
        if flag.name == "dtype":
            return Dtype(name=" ".join(flag.words).replace("=", " ").split()[-1] if flag.words else None)
    if not hardware.cpu_flags:
        return Dtype(name="bfloat16", why="the flags of this CPU are unknown")
    if fast := [name for flag, name in _FAST.items() if flag in hardware.cpu_flags]:
        return Dtype(name="bfloat16", why=f"this CPU has {fast[0]}")
    slow = "this CPU has neither AVX-512 BF16 nor AMX"
    if model is not None and model.bits is None:
        return Dtype(name="bfloat16", why=f"{slow}, but a quantised model cannot be computed in float32")
    if model is not None and hardware.free_gib is not None:
        needed = model.gib_in(32) + SPARE_GIB
        if needed > hardware.free_gib:
            return Dtype(
                name="bfloat16",
                why=f"{slow}, but float32 needs {needed:.0f} GiB, and {hardware.free_gib:.0f} are free",
            )
    return Dtype(name="float32", why=slow)
