"""LiteLLM is loaded by the first request, and not in a release that somebody else had published."""

import asyncio
import importlib
import importlib.metadata
import sys
import threading
from types import SimpleNamespace

import pytest

from tests.backends.chatting import asking_in_chat
from tests.backends.collecting import collect
from weaver_sdk.backends import litellm
from weaver_sdk.backends.litellm import COMPROMISED, LiteLLMBackend
from weaver_sdk.errors import ConfigurationError


async def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ConfigurationError, match=r"weaver-sdk\[litellm\]"):
        await collect(LiteLLMBackend("openai/m"), asking_in_chat())


@pytest.mark.parametrize("version", sorted(COMPROMISED))
async def test_a_compromised_release_is_not_imported(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    monkeypatch.setitem(sys.modules, "litellm", None)  # importing it is an error
    with pytest.raises(ConfigurationError, match=version):
        await collect(LiteLLMBackend("openai/m"), asking_in_chat())


async def test_the_event_loop_goes_on_while_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import waits for the loop to turn: on the loop's own thread it would wait for ever."""
    turned = threading.Event()
    asyncio.get_running_loop().call_later(0, turned.set)

    def imported(name: str) -> SimpleNamespace:
        assert name == "litellm"
        assert turned.wait(5)
        return SimpleNamespace()

    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.108.0")
    monkeypatch.setattr(importlib, "import_module", imported)
    monkeypatch.setattr(litellm, "_BEFORE_IMPORT", {})
    await litellm._load()
