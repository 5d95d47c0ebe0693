"""What one call is given, and what is refused before a request is sent."""

from typing import Any

import pytest

from tests.reasoner.test_solving import PROBLEMS, SCRIPT, scripted, str_of_problem
from weaver_sdk import ConfigurationError, ParallelReasoner
from weaver_sdk.testing import ScriptedBackend


async def test_an_option_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(TypeError, match=r"'budgets': use one of .*budget"):
        await scripted().solve(PROBLEMS[0], budgets=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("option", ["sampling", "budget"])
async def test_an_option_of_another_kind_is_refused(option: str) -> None:
    backend = ScriptedBackend(SCRIPT)
    options: Any = {option: 100}
    with pytest.raises(ConfigurationError, match=option):
        await scripted(backend).solve(PROBLEMS[0], **options)
    with pytest.raises(ConfigurationError, match=option):
        scripted(backend, **options)
    assert backend.requests == []


def test_main_is_the_name_of_the_reasoners_own_model() -> None:
    with pytest.raises(ConfigurationError, match="main"):
        scripted(models={"main": ScriptedBackend(SCRIPT)})


async def test_a_further_model_may_be_a_backend() -> None:
    small = ScriptedBackend({"Hello?": "Hi"})

    async def program(scope: Any) -> None:
        await scope.ask("Hello?", model="small")

    reasoner = ParallelReasoner(
        backend=ScriptedBackend(SCRIPT), template=str_of_problem, strategy=program, models={"small": small}
    )
    assert (await reasoner.solve("Q")).answer == "Hi"
    await reasoner.aclose()
    assert not small.closed


async def test_a_name_alone_needs_a_server_for_further_models() -> None:
    with pytest.raises(ConfigurationError, match="small"):
        await scripted(models={"small": "other"}).solve(PROBLEMS[0])
