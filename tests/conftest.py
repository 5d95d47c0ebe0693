"""What holds for every test: nothing of the machine it runs on gets in, and nothing is left in its home."""

import os
import uuid

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes says nothing on a machine that does other work; each test has a time limit.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "WEAVER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # a folder for each test, made only by what writes into it
    monkeypatch.setenv("WEAVER_HOME", str(tmp_path_factory.getbasetemp() / f"home-{uuid.uuid4().hex}"))
