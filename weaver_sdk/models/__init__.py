"""The model that comes with the package: weaver-nano, described in MODEL_CARD.md beside it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def nano() -> Path:
    """The GGUF file of weaver-nano.

    Raises:
        FileNotFoundError: the package lies in an archive or was built without its weights.
    """
    path = Path(str(files("weaver_sdk.models") / "weaver-nano.gguf"))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: install weaver-sdk from a wheel, unpacked")
    return path
