"""A run may ask several models."""

import pytest

from tests.runtime.play import run_program
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.result import Segment
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend


async def test_each_question_goes_to_the_model_that_it_names() -> None:
    async def program(scope: Scope) -> None:
        assert set(scope.models) == {"main", "small"}
        said = await scope.ask("Q", model="small")
        assert said.model == "small"
        await scope.extend()

    main, small = (
        ScriptedBackend([Reply(" big")], model="large"),
        ScriptedBackend([Reply("tiny")], model="mini"),
    )
    result = await run_program(program, main, models={"small": small})
    assert (len(main.requests), len(small.requests)) == (1, 1)
    assert result.text == "tiny big"
    assert result.model == "large"
    assert [part.model for part in result.trace if isinstance(part, Segment)] == ["small", "main"]


async def test_a_thread_may_go_on_with_another_model() -> None:
    async def program(scope: Scope) -> None:
        await scope.extend()
        await scope.fork(["main", "small"], lambda one, name: one.extend(model=name))

    main, small = ScriptedBackend([Reply("start"), Reply("M")]), ScriptedBackend([Reply("S")])
    result = await run_program(program, main, models={"small": small})
    assert result.text == "startM\n\nS"
    assert [request.prefix for request in small.requests] == ["start"]


@pytest.mark.parametrize("way", ["ask", "extend", "prompt"])
async def test_a_model_that_is_not_there_is_named_with_those_that_are(way: str) -> None:
    async def program(scope: Scope) -> None:
        if way == "ask":
            await scope.ask("Q", model="huge")
        elif way == "extend":
            await scope.extend(model="huge")
        else:
            scope.prompt(scope.messages, model="huge")

    with pytest.raises(ConfigurationError, match="no model 'huge' in this run: use one of 'main', 'small'"):
        await run_program(program, models={"small": ScriptedBackend([])})
