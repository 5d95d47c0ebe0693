"""Several models in one run: on the same server, on another one, and as a backend."""

from __future__ import annotations

import pytest

from weaver_sdk import ConfigurationError, ParallelReasoner, Prices, Result, Scope, Server
from weaver_sdk.testing import Reply, ScriptedBackend, ScriptedServer


async def ask_both(scope: Scope) -> None:
    await scope.ask(scope.messages, phase="reasoning")
    await scope.ask(scope.messages, model="small")


async def solved(**options: object) -> Result:
    async with ParallelReasoner(template="raw", strategy=ask_both, **options) as reasoner:  # type: ignore[arg-type]
        return await reasoner.solve("Q")


async def test_a_backend_is_asked_under_its_name_and_counted_by_itself() -> None:
    big, small = (
        ScriptedBackend({"Q": Reply("big words")}),
        ScriptedBackend({"Q": Reply("small")}, model="tiny"),
    )
    result = await solved(backend=big, models={"small": small}, prices={"tiny": Prices(input=0, output=2e6)})
    assert result.answer == "small"
    assert len(big.requests) == len(small.requests) == 1
    used = result.telemetry.models
    assert {name: usage.model for name, usage in used.items()} == {"main": big.model, "small": "tiny"}
    assert used["small"].tokens + used["main"].tokens == result.telemetry.total_tokens
    assert used["small"].cost == 2 * used["small"].tokens
    assert used["main"].cost is None
    assert result.telemetry.cost is None


async def test_a_name_alone_is_a_model_on_the_same_server_with_the_same_permits() -> None:
    async with (
        ScriptedServer(lambda prompt: "words") as server,
        ParallelReasoner(
            "one", base_url=server.base_url, models={"small": "two"}, template="raw", strategy=ask_both
        ) as reasoner,
    ):
        result = await reasoner.solve("Q")
        session = await reasoner._session()
    assert [usage.model for usage in result.telemetry.models.values()] == ["one", "two"]
    main, small = session.models["main"].backend, session.models["small"].backend
    assert main.limiter is small.limiter  # type: ignore[attr-defined]


async def test_a_server_of_its_own_gets_no_key_that_was_meant_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-main")
    async with (
        ScriptedServer(lambda prompt: "words", api_key="sk-main") as main,
        ScriptedServer(lambda prompt: "small") as other,
    ):
        result = await solved(base_url=main.base_url, models={"small": Server(other.base_url, "m")})
        sent = [request.headers for request in other.log]
    assert result.answer == "small"
    assert sent
    assert all("authorization" not in {name.lower() for name in headers} for headers in sent)


async def test_a_name_alone_needs_a_server_by_address() -> None:
    with pytest.raises(ConfigurationError, match="give a Server"):
        await solved(backend=ScriptedBackend({"Q": "x"}), models={"small": "two"})


async def test_a_model_that_is_not_there_is_said_so_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="no model 'small' in this run: use one of 'main'"):
        await solved(backend=ScriptedBackend({"Q": "x"}))


def test_main_is_the_reasoners_own() -> None:
    with pytest.raises(ConfigurationError, match="the reasoner itself"):
        ParallelReasoner(backend=ScriptedBackend([]), models={"main": ScriptedBackend([])})
