"""The packaged models: weaver-nano and its sequential twin (see MODEL_CARD.md)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def nano() -> Path:
    """The GGUF file of weaver-nano, the fork/join model.

    Raises:
        FileNotFoundError: the package is inside an archive, or was built without its weights.
    """
    return _packaged("weaver-nano.gguf")


def sequential_twin() -> Path:
    """The GGUF file of the baseline: the same size, trained on the same problems without forks.

    Raises:
        FileNotFoundError: the package is inside an archive, or was built without its weights.
    """
    return _packaged("weaver-nano-sequential.gguf")


def _packaged(name: str) -> Path:
    path = Path(str(files("weaver_sdk.models") / name))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: install weaver-sdk from a wheel, unpacked")
    return path
