"""What the known servers can do: the one table, by the kind of server and by the name of a host.

A server that we or our users run tells its kind when it is asked (`probe.py`). A hosted one is known by its
address, and is asked nothing. What stands here goes before what is asked, and a user's own `Capabilities`
before both.
"""

from __future__ import annotations

from dataclasses import replace

from weaver_sdk.backends.base import Capabilities, ServerKind
from weaver_sdk.backends.http.transport import server_address

KNOWN: dict[ServerKind, Capabilities] = {
    "vllm": Capabilities(
        server="vllm",
        prefill="continue_final_message",
        reports_matched_stop=True,
        grammar=True,
        json_schema=True,
        token_ids=True,
        token_prompts=True,
        extra_fields={
            "skip_special_tokens": False,  # the tags of a trained model are special tokens: show them
            "spaces_between_special_tokens": False,
            "add_special_tokens": False,  # the prompt has its template applied: no second BOS
        },
    ),
    "sglang": Capabilities(
        server="sglang",
        prefill="continue_final_message",
        reports_matched_stop=True,
        grammar=True,
        json_schema=True,
        extra_fields={"skip_special_tokens": False},
    ),
    "llama.cpp": Capabilities(
        server="llama.cpp", prefill="continue_final_message", grammar=True, json_schema=True
    ),
    # also what a LiteLLM proxy says that it is: whichever model is behind it can chat
    "openai": Capabilities(server="openai", api="chat"),
}
"""Servers that say what they are."""

HOSTS: dict[str, Capabilities] = {
    "api.openai.com": Capabilities(
        server="openai",
        api="chat",
        field_names={"max_tokens": "max_completion_tokens"},
        routing_field="prompt_cache_key",
        most_stops=4,
    ),
    # newer models answer a prefill with an error
    "api.anthropic.com": Capabilities(server="anthropic", api="chat"),
    "generativelanguage.googleapis.com": Capabilities(server="gemini", api="chat", most_stops=5),
    "api.deepseek.com/beta": Capabilities(server="deepseek", api="chat", prefill="prefix", most_stops=16),
    # the mark is known under /beta alone
    "api.deepseek.com": Capabilities(server="deepseek", api="chat", most_stops=16),
    "api.mistral.ai": Capabilities(
        server="mistral",
        api="chat",
        prefill="prefix",
        field_names={"seed": "random_seed"},
        routing_field="prompt_cache_key",  # without it nothing is looked up in the cache
        refused_fields=frozenset({"stream_options"}),  # counts come without being asked for
    ),
    "api.groq.com": Capabilities(server="groq", api="chat", prefill="last_message"),
    # whether a prefill works depends on who serves the model today
    "openrouter.ai": Capabilities(server="openrouter", api="chat"),
    "api.together.xyz": Capabilities(server="together", api="chat"),
    "api.together.ai": Capabilities(server="together", api="chat"),
    "api.fireworks.ai": Capabilities(server="fireworks", routing_field="prompt_cache_key"),
}
"""Hosts, or a host and the beginning of its path, which then stands before the bare host."""

PROVIDERS: dict[str, Capabilities] = {
    # LiteLLM names fields as each provider wants them, and asks DeepSeek under /beta
    "deepseek": Capabilities(server="deepseek", api="chat", prefill="prefix", most_stops=16),
    "mistral": Capabilities(server="mistral", api="chat", prefill="prefix"),
    "groq": Capabilities(server="groq", api="chat", prefill="last_message"),
    "hosted_vllm": replace(KNOWN["vllm"], api="chat"),
}
"""What LiteLLM calls a provider, before the model's name, where it is more than a chat that can be asked."""


def known_host(base_url: str) -> Capabilities | None:
    """Return what the host of an address can do, or `None` where the host is not known."""
    url = server_address(base_url)
    place = url.host + url.path
    return next((found for name, found in HOSTS.items() if _stands_under(place, name)), None)


def _stands_under(place: str, name: str) -> bool:
    return place == name or place.startswith(f"{name}/")
