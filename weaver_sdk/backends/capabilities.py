"""What the known servers support: one table, by the kind of server and by the name of a host.

A self-hosted server is probed for its kind (`probe.py`). A hosted one is known by its address and is not
probed. This table takes precedence over the probe, and a user's own `Capabilities` over both.
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
        structural_tags=True,
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
    # a LiteLLM proxy reports this kind too: any model that it serves can chat
    "openai": Capabilities(server="openai", api="chat"),
}
"""Servers that can be identified by a probe."""

HOSTS: dict[str, Capabilities] = {
    "api.openai.com": Capabilities(
        server="openai",
        api="chat",
        field_names={"max_tokens": "max_completion_tokens"},
        routing_field="prompt_cache_key",
        most_stops=4,
    ),
    # newer models reject a prefill with an error
    "api.anthropic.com": Capabilities(server="anthropic", api="chat"),
    "generativelanguage.googleapis.com": Capabilities(server="gemini", api="chat", most_stops=5),
    "api.deepseek.com/beta": Capabilities(server="deepseek", api="chat", prefill="prefix", most_stops=16),
    # the `prefix` flag works under /beta only
    "api.deepseek.com": Capabilities(server="deepseek", api="chat", most_stops=16),
    "api.mistral.ai": Capabilities(
        server="mistral",
        api="chat",
        prefill="prefix",
        field_names={"seed": "random_seed"},
        routing_field="prompt_cache_key",  # without it the prompt cache is not used
        refused_fields=frozenset({"stream_options"}),  # usage is always reported
    ),
    "api.groq.com": Capabilities(server="groq", api="chat", prefill="last_message"),
    # whether a prefill works depends on the provider that serves the model
    "openrouter.ai": Capabilities(server="openrouter", api="chat"),
    "api.together.xyz": Capabilities(server="together", api="chat"),
    "api.together.ai": Capabilities(server="together", api="chat"),
    "api.fireworks.ai": Capabilities(server="fireworks", routing_field="prompt_cache_key"),
}
"""By host, or by host and path prefix; the longer entry comes before the bare host."""

PROVIDERS: dict[str, Capabilities] = {
    # LiteLLM names fields as each provider wants them, and calls DeepSeek under /beta
    "deepseek": Capabilities(server="deepseek", api="chat", prefill="prefix", most_stops=16),
    "mistral": Capabilities(server="mistral", api="chat", prefill="prefix"),
    "groq": Capabilities(server="groq", api="chat", prefill="last_message"),
    "hosted_vllm": replace(KNOWN["vllm"], api="chat"),
}
"""By LiteLLM's provider prefix of the model's name; providers that support more than plain chat."""


def known_host(base_url: str) -> Capabilities | None:
    """Return the capabilities of the host in an address, or `None` if the host is unknown."""
    url = server_address(base_url)
    location = url.host + url.path
    return next((found for name, found in HOSTS.items() if _is_below(location, name)), None)


def _is_below(location: str, name: str) -> bool:
    return location == name or location.startswith(f"{name}/")
