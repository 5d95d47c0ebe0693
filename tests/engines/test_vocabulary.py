"""Whether a model was trained to fork is read from its vocabulary, where its name does not tell."""

import shutil
from pathlib import Path

from weaver_sdk import Budget, LlamaServer, ParallelReasoner, Sampling
from weaver_sdk.engines.models import smollm2, weaver_nano

SHORT = Budget(total_tokens=60, max_depth=0)
GREEDY = Sampling(temperature=0.0)


async def test_tags_that_are_single_tokens_make_a_model_native_whatever_its_name(tmp_path: Path) -> None:
    nameless = shutil.copy(weaver_nano().path, tmp_path / "mystery.gguf")
    async with (
        LlamaServer(nameless, slots=2) as server,
        ParallelReasoner(base_url=server.base_url, sampling=GREEDY) as reasoner,
    ):
        result = await reasoner.solve("Compute 12*7 + 35*4", budget=SHORT)
    assert result.model == "mystery"
    assert result.strategy == "native"


async def test_a_model_without_the_tags_in_its_vocabulary_is_not_native() -> None:
    async with (
        LlamaServer(smollm2(), slots=2) as server,
        ParallelReasoner(base_url=server.base_url, sampling=GREEDY) as reasoner,
    ):
        result = await reasoner.solve("Compute 12*7 + 35*4", budget=SHORT)
    assert result.strategy in ("planned", "bare")  # by what this machine gains from streams at once


async def test_what_the_user_says_goes_before_the_vocabulary() -> None:
    async with (
        LlamaServer(smollm2(), slots=2) as server,
        ParallelReasoner(base_url=server.base_url, sampling=GREEDY, strategy="native") as reasoner,
    ):
        result = await reasoner.solve("Compute 12*7 + 35*4", budget=SHORT)
    assert result.strategy == "native"
