"""The GPUs, the CPU and the free memory of this machine. Detected without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU, as reported by `nvidia-smi`."""

    index: int
    name: str
    total_gib: float
    free_gib: float


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The GPUs, the CPU and the free memory of a machine."""

    gpus: tuple[Gpu, ...] = ()
    """The NVIDIA GPUs that a program started from here may use."""
    nvidia: bool = False
    """Whether there is an NVIDIA GPU at all, even if nothing else is known of it."""
    free_gib: float | None = None
    """Memory available without swapping, within the container's limit; `None` if unknown."""
    cpu_flags: frozenset[str] = frozenset()
    """What every core supports, in the words of `/proc/cpuinfo` ("avx512f"); empty if unknown."""


def detect_hardware(variables: Mapping[str, str] = os.environ) -> Hardware:
    """Detect the hardware. What a missing or failing tool would report stays unknown.

    Args:
        variables: the environment of the program to run; it may hide some of the GPUs.
    """
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    shown = _nvidia_smi()
    gpus = shown if visible is None else _visible_gpus(visible, shown)
    hidden = visible is not None and visible.strip() in ("", "-1", "NoDevFiles")
    device = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()
    return Hardware(
        gpus=tuple(gpu for _, gpu in gpus),
        nvidia=not hidden and (bool(shown) or device),
        free_gib=_free_gib(),
        cpu_flags=_cpu_flags(),
    )


def read_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Return what every core supports, from the text of `/proc/cpuinfo`; empty if it does not say."""
    cores = re.findall(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset.intersection(*(frozenset(core.split()) for core in cores)) if cores else frozenset()


def _cpu_flags() -> frozenset[str]:
    try:
        return read_cpu_flags(Path("/proc/cpuinfo").read_text())
    except OSError:  # not Linux
        return frozenset()


def _nvidia_smi() -> list[tuple[str, Gpu]]:
    """Return the GPUs with their UUIDs."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = "index,uuid,name,memory.total,memory.free"
    try:
        output = subprocess.run(
            [tool, f"--query-gpu={query}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [found for line in output.splitlines() if (found := _read_gpu(line)) is not None]


def _read_gpu(line: str) -> tuple[str, Gpu] | None:
    try:
        index, uuid, name, total, free = (part.strip() for part in line.split(","))
        return uuid, Gpu(
            index=int(index), name=name, total_gib=float(total) / 1024, free_gib=float(free) / 1024
        )
    except ValueError:  # "[N/A]", where memory is shared with the host
        return None


def _visible_gpus(visible: str, shown: list[tuple[str, Gpu]]) -> list[tuple[str, Gpu]]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` names, in its order; an unknown name ends the list."""
    chosen = []
    for name in (part.strip() for part in visible.split(",")):
        match = [
            (uuid, gpu)
            for uuid, gpu in shown
            if name and (name == str(gpu.index) or (not name.isdecimal() and uuid.startswith(name)))
        ]
        if not match:
            break
        chosen.append(match[0])
    return chosen


def _free_gib() -> float | None:
    free = _host_free_gib()
    limit = _container_free_gib()
    return limit if free is None else free if limit is None else min(free, limit)


def _host_free_gib() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next(
        (int(line.split()[1]) * 1024 / _GIB for line in lines if line.startswith("MemAvailable")), None
    )


def _container_free_gib(folder: Path = Path("/sys/fs/cgroup")) -> float | None:
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or "max"
        return None
    return max(0, limit - used + int(statistics.get("inactive_file", 0))) / _GIB
