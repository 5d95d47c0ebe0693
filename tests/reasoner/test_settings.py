"""Which server, key and model: what is given, what the environment says, and what contradicts itself."""

import httpx2
import openai
import pytest

from weaver_sdk import THREADWEAVER, Capabilities, CompletionsBackend, ConfigurationError, ParallelReasoner
from weaver_sdk.backends.base import ServerKind
from weaver_sdk.session_config import SessionConfig
from weaver_sdk.settings import resolve_server
from weaver_sdk.testing import ScriptedBackend, ScriptedServer, fork_join_script


def test_what_is_given_goes_before_the_environment() -> None:
    environment = {"WEAVER_BASE_URL": "http://env/v1", "WEAVER_API_KEY": "env", "WEAVER_MODEL": "env"}
    server = resolve_server("http://given/v1", "given", "given", environment)
    assert (server.base_url, server.key, server.model) == ("http://given/v1", "given", "given")


def test_weavers_variables_go_before_those_of_openai() -> None:
    environment = {
        "OPENAI_BASE_URL": "http://openai/v1",
        "OPENAI_API_KEY": "o",
        "WEAVER_BASE_URL": "http://weaver/v1",
        "WEAVER_API_KEY": "w",
    }
    server = resolve_server(environment=environment)
    assert (server.base_url, server.key) == ("http://weaver/v1", "w")


def test_an_empty_variable_is_none_at_all() -> None:
    server = resolve_server(environment={"WEAVER_BASE_URL": " ", "OPENAI_BASE_URL": "http://openai/v1"})
    assert server.base_url == "http://openai/v1"


def test_no_server_anywhere_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"base_url=.*ParallelReasoner\.local\(\)") as caught:
        resolve_server(environment={})
    assert "\n" not in str(caught.value)


def test_a_key_is_shown_nowhere() -> None:
    server = resolve_server("http://given/v1", "sk-secret", environment={})
    assert "sk-secret" not in repr(server)
    reasoner = ParallelReasoner("m", base_url="http://given/v1", api_key="sk-secret")
    assert "sk-secret" not in repr(vars(reasoner))


async def test_a_reasoner_names_its_model_its_server_and_its_strategy_in_one_line() -> None:
    named = ParallelReasoner("m", base_url="http://ann:hidden@given:1/v1?key=hidden", api_key="hidden")
    assert repr(named) == "<ParallelReasoner m at http://given:1/v1, strategy='auto'>"
    scripted = ParallelReasoner(backend=CompletionsBackend("m", "http://h/v1", "hidden"), strategy="native")
    shown = "<ParallelReasoner at CompletionsBackend('m', 'http://h/v1'), strategy='native'>"
    assert repr(scripted) == shown
    async with openai.AsyncOpenAI(base_url="http://openai/v1", api_key="hidden") as client:
        assert repr(ParallelReasoner("m", client=client)).startswith(
            "<ParallelReasoner m at http://openai/v1,"
        )
    async with httpx2.AsyncClient(base_url="http://ann:hidden@client/v1") as own:
        assert repr(ParallelReasoner("m", http_client=own)).startswith(
            "<ParallelReasoner m at http://client/v1,"
        )
    local = repr(ParallelReasoner.local())
    assert local.startswith("<ParallelReasoner at LlamaServer('weaver-nano')")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEAVER_BASE_URL", "WEAVER_API_KEY", "WEAVER_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


async def test_the_model_comes_from_the_environment_for_a_client_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAVER_MODEL", "from-the-environment")
    monkeypatch.setenv("WEAVER_BASE_URL", "http://127.0.0.1:1/v1")  # the client has its own address
    script = fork_join_script()
    problem = script.trajectories[0].problem
    async with (
        ScriptedServer(script) as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="k") as client,
        ParallelReasoner(client=client, template="raw") as reasoner,
        ParallelReasoner("given", client=client, template="raw") as told,
    ):
        assert (await reasoner.solve(problem)).model == "from-the-environment"
        assert (await told.solve(problem)).model == "given"


URL = "http://127.0.0.1:1/v1"
CLIENT = openai.AsyncOpenAI(base_url=URL, api_key="k")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "no server"),
        ({"model": "m"}, "no server"),
        ({"client": CLIENT, "base_url": URL}, "client or base_url"),
        ({"client": CLIENT, "api_key": "k"}, "client or api_key"),
        ({"client": CLIENT, "http_client": httpx2.AsyncClient()}, "client or http_client"),
        ({"backend": ScriptedBackend([]), "base_url": URL}, "backend or base_url"),
        ({"backend": ScriptedBackend([]), "model": "m"}, "backend or model"),
        ({"base_url": URL, "dialect": "klingon"}, "threadweaver"),
        ({"base_url": URL, "template": "klingon"}, "chatml"),
        ({"base_url": URL, "max_concurrency": 0}, "max_concurrency"),
        ({"base_url": URL, "retries": -1}, "retries"),
        ({"base_url": URL, "timeout": 0}, "imeout"),
        ({"base_url": "localhost:8000"}, "base_url"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once_in_one_line(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        ParallelReasoner(**given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_dialect_may_be_data() -> None:
    ParallelReasoner("m", base_url=URL, dialect=THREADWEAVER)


def test_a_prefix_form_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match='use "text" or "tokens"'):
        ParallelReasoner("m", base_url="http://given/v1", prefix="ids")  # type: ignore[arg-type]


async def test_a_server_that_takes_no_tokens_is_not_sent_any() -> None:
    reasoner = ParallelReasoner(backend=ScriptedBackend({}), prefix="tokens")
    with pytest.raises(ConfigurationError, match='use prefix="text"'):
        await reasoner.solve("Q")


@pytest.mark.parametrize(("options", "warm"), [({}, False), ({"warm_joins": True}, True)])
async def test_joins_are_computed_ahead_only_where_the_user_says_so(
    options: dict[str, bool], warm: bool
) -> None:
    async with (
        ScriptedServer(fork_join_script(), pace=0.001) as server,
        ParallelReasoner(model=server.name, base_url=server.base_url, **options) as reasoner,  # type: ignore[arg-type]
    ):
        session = await reasoner._session()
        assert session.warms_joins(session.chosen) is warm


@pytest.mark.parametrize(
    ("address", "kind", "metered"),
    [
        ("http://127.0.0.1:8000/v1", "vllm", False),
        ("http://localhost:8080/v1", "llama.cpp", False),
        ("http://127.0.0.1:4000/v1", "litellm", True),
        ("https://host.example/v1", "vllm", True),
    ],
)
def test_tokens_cost_nothing_on_an_engine_of_this_machine(
    address: str, kind: ServerKind, metered: bool
) -> None:
    config = SessionConfig(base_url=address)
    backend = CompletionsBackend("m", address, capabilities=Capabilities(server=kind))
    assert config.is_metered(backend) is metered
    assert SessionConfig(base_url=address, metered=not metered).is_metered(backend) is not metered
