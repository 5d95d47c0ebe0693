"""What holds for every test: no key, no server and no proxy of the machine it runs on gets in."""

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "WEAVER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
