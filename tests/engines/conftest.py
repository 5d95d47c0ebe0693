"""Real engines, started once for the tests that only talk to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.engines.models import smollm2

SLOTS = 4
"""Of each engine."""


@pytest.fixture(scope="session")
def engine() -> Iterator[LlamaServer]:
    """SmolLM2: big enough that what is computed twice is felt."""
    with LlamaServer(smollm2(), slots=SLOTS) as server:
        yield server


@pytest.fixture(scope="session")
def quick_engine() -> Iterator[LlamaServer]:
    """The packaged model: tiny, for what does not depend on the text."""
    with LlamaServer(slots=SLOTS) as server:
        yield server
