"""What holds for every test: no key, no server and no proxy of the machine it runs on gets in."""

import os

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes says nothing on a machine that does other work; each test has a time limit.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "WEAVER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
