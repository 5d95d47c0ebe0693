"""Every host of the table: what it is sent, and a whole run with one that behaves as the host does.

How the hosts behave was taken from their documentation and from reports of users; none is reached here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.backends.hosts import Detour
from weaver_sdk import ParallelReasoner, Sampling
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.backends.capabilities import HOSTS, known_host
from weaver_sdk.backends.chat_payload import ASKED_TO_GO_ON
from weaver_sdk.result import Segment
from weaver_sdk.testing import Behaviour, Chat, Received, ScriptedServer, fork_join_script

SCRIPT = fork_join_script(thread_tokens=(6, 5))
PROBLEM = SCRIPT.trajectories[0].problem
KEY = "sk-host"
HOSTED = Behaviour(names_stop=False)
WARM = Sampling(temperature=0.5)


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a host is played, and how many requests a run takes there."""

    chat: Chat | None = field(default_factory=lambda: Chat(only=True))
    takes: frozenset[str] | None = None
    """The only fields it knows, where it refuses others."""
    refusal: str = "{}"
    """How it says so."""
    habits: Behaviour = HOSTED
    sampling: Sampling = WARM
    requests: int = 4

    def answer(self, received: Received) -> Behaviour:
        """Refuse a request with a field that the host does not know, or answer it."""
        unknown = sorted(received.body.keys() - self.takes) if self.takes is not None else []
        return (
            Behaviour(status=400, body=self.refusal.replace("FIELD", unknown[0])) if unknown else self.habits
        )


CHAT_FIELDS = frozenset({"model", "messages", "stream", "temperature", "top_p"})
OPENAI = json.dumps(
    {
        "error": {
            "message": "Unsupported parameter: 'FIELD' is not supported with this model.",
            "type": "invalid_request_error",
            "param": "FIELD",
            "code": "unsupported_parameter",
        }
    }
)
GEMINI = json.dumps(
    [
        {
            "error": {
                "code": 400,
                "message": 'Invalid JSON payload received. Unknown name "FIELD": Cannot find field.',
            }
        }
    ]
)
MISTRAL = json.dumps(
    {
        "object": "error",
        "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "FIELD"], "msg": "Extra inputs"}]},
        "type": "invalid_request_error",
    }
)

ADDRESSES: dict[str, tuple[str, Played]] = {
    "api.openai.com": (
        "https://api.openai.com/v1",
        # a reasoning model: it takes no stop and no temperature
        Played(
            takes=CHAT_FIELDS - {"temperature"}
            | {"stream_options", "max_completion_tokens", "prompt_cache_key"},
            refusal=OPENAI,
            requests=6,
        ),
    ),
    "api.anthropic.com": ("https://api.anthropic.com/v1", Played(chat=Chat(repeats="last line", only=True))),
    "generativelanguage.googleapis.com": (
        "https://generativelanguage.googleapis.com/v1beta/openai",
        Played(
            takes=CHAT_FIELDS | {"stream_options", "stop", "max_tokens"},
            refusal=GEMINI,
            sampling=Sampling(top_k=5),
            requests=5,
        ),
    ),
    "api.deepseek.com/beta": (
        "https://api.deepseek.com/beta",
        Played(chat=Chat(prefill="prefix", reasoning="Let me see.", only=True)),
    ),
    "api.deepseek.com": ("https://api.deepseek.com", Played(chat=Chat(reasoning="Let me see.", only=True))),
    "api.mistral.ai": (
        "https://api.mistral.ai/v1",
        Played(
            chat=Chat(prefill="prefix", repeats="all", only=True),
            takes=CHAT_FIELDS | {"stop", "max_tokens", "random_seed", "prompt_cache_key"},
            refusal=MISTRAL,
            habits=Behaviour(names_stop=False, usage="every"),
            sampling=Sampling(seed=7),
        ),
    ),
    "api.groq.com": (
        "https://api.groq.com/openai/v1",
        Played(
            chat=Chat(prefill="last_message", reasoning="Let me see.", reasoning_field="reasoning", only=True)
        ),
    ),
    "openrouter.ai": (
        "https://openrouter.ai/api/v1",
        Played(
            chat=Chat(reasoning="Let me see.", reasoning_field="reasoning"),
            habits=Behaviour(names_stop=False, comments=True),
        ),
    ),
    "api.together.xyz": ("https://api.together.xyz/v1", Played(chat=Chat())),
    "api.together.ai": ("https://api.together.ai/v1", Played(chat=Chat())),
    "api.fireworks.ai": ("https://api.fireworks.ai/inference/v1", Played(chat=None)),
}


def test_every_host_of_the_table_is_played() -> None:
    assert ADDRESSES.keys() == HOSTS.keys()
    for name, (address, _) in ADDRESSES.items():
        assert known_host(address) == HOSTS[name]


@pytest.mark.parametrize("name", HOSTS)
async def test_a_run_on_each_host(name: str) -> None:
    address, played = ADDRESSES[name]
    async with (
        ScriptedServer(SCRIPT, chat=played.chat, behave=played.answer, api_key=KEY) as server,
        Detour(server) as detour,
        ParallelReasoner(
            "qwen-of-the-host",
            base_url=address,
            api_key=KEY,
            http_client=detour.client,
            dialect="threadweaver",
            sampling=played.sampling,
        ) as reasoner,
    ):
        result = await reasoner.solve(PROBLEM)
    assert (result.text, result.well_formed, result.repairs) == (SCRIPT.text(PROBLEM), True, [])
    assert len(server.log) == len(server.completions) == played.requests, "a known host is asked nothing else"
    endpoint = "/chat/completions" if played.chat else "/completions"
    assert set(detour.asked) == {address + endpoint}
    if played.chat and played.chat.reasoning:
        assert isinstance(result.trace[0], Segment)
        assert result.trace[0].reasoning == "Let me see."
        [fork] = [part for part in result.trace if part.kind == "fork"]
        assert {thread.reasoning for thread in fork.threads} == {"Let me see."}


async def test_each_host_is_sent_what_it_knows() -> None:
    def sent_to(name: str) -> Mapping[str, Any]:
        return bodies[name][-1]

    bodies: dict[str, list[dict[str, Any]]] = {}
    for name, (address, played) in ADDRESSES.items():
        async with (
            ScriptedServer(SCRIPT, chat=played.chat, behave=played.answer) as server,
            Detour(server) as detour,
            ParallelReasoner(
                "qwen",
                base_url=address,
                http_client=detour.client,
                dialect="threadweaver",
                sampling=played.sampling,
            ) as reasoner,
        ):
            await reasoner.solve(PROBLEM)
        bodies[name] = [request.body for request in server.completions]
    assert sent_to("api.deepseek.com/beta")["messages"][-1]["prefix"] is True
    assert sent_to("api.groq.com")["messages"][-1].keys() == {"role", "content"}
    assert sent_to("api.groq.com")["messages"][-1]["role"] == "assistant"
    assert all("stream_options" not in body and "seed" not in body for body in bodies["api.mistral.ai"])
    assert sent_to("api.mistral.ai")["random_seed"] == 7
    for name in ("api.openai.com", "api.anthropic.com", "api.deepseek.com", "openrouter.ai"):
        last = sent_to(name)["messages"][-1]
        assert last["role"] == "user"
        assert last["content"].startswith(ASKED_TO_GO_ON)
    assert "stop" not in sent_to("api.openai.com")
    assert "prompt" in sent_to("api.fireworks.ai")


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.openai.com", "openai"),
        ("https://API.OpenAI.com/v1/", "openai"),
        ("https://api.deepseek.com/beta", "deepseek"),
        ("http://127.0.0.1:8000/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://evil.example/api.openai.com", None),
        ("https://notapi.openai.com/v1", None),
    ],
)
def test_a_host_is_known_by_its_whole_name(address: str, server: str | None) -> None:
    found = known_host(address)
    assert (found.server if found else None) == server


def test_the_more_particular_address_counts() -> None:
    for path in ("/beta", "/beta/"):
        assert known_host(f"https://api.deepseek.com{path}") == HOSTS["api.deepseek.com/beta"]
    for path in ("", "/v1", "/betamax"):
        assert known_host(f"https://api.deepseek.com{path}") == HOSTS["api.deepseek.com"]


async def test_a_users_word_goes_before_the_table() -> None:
    async with ScriptedServer(SCRIPT, chat=Chat(prefill="prefix")) as server, Detour(server) as detour:
        reasoner = ParallelReasoner(
            "qwen",
            base_url="https://api.openai.com/v1",
            http_client=detour.client,
            capabilities=Capabilities(api="chat", prefill="prefix"),
            dialect="threadweaver",
        )
        async with reasoner:
            assert (await reasoner.solve(PROBLEM)).well_formed
    assert all(request.body["messages"][-1].get("prefix", True) for request in server.completions)
