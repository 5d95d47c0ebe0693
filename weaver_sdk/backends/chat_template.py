"""How a server's chat template wraps a question: asked once, so that no prompt needs a request of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.link import Link
from weaver_sdk.backends.probe import PROBE_SECONDS, ask, root
from weaver_sdk.errors import BackendError, ConnectionFailed

_QUESTION = "QUESTIONSTANDSHERE"
"""A word that no template holds, and that none would change."""


async def ask_chat_template(
    link: Link, model: str, server: ServerKind, seconds: float = PROBE_SECONDS
) -> tuple[str, str] | None:
    """Return what stands before and behind the question in a prompt, up to where the model begins to write.

    Returns:
        The two texts, or `None` where the server does not tell.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    asked = [{"role": "user", "content": _QUESTION}]
    prompt = await apply_chat_template(link, model, server, asked, seconds)
    if prompt is None or prompt.count(_QUESTION) != 1:
        return None
    before, _, behind = prompt.partition(_QUESTION)
    return before, behind


async def apply_chat_template(
    link: Link,
    model: str,
    server: ServerKind,
    messages: Sequence[Mapping[str, str]],
    seconds: float = PROBE_SECONDS,
) -> str | None:
    """Return a conversation as the text that the model goes on behind, as the server itself would write it.

    llama.cpp does so on request; vLLM makes tokens of a conversation, and text of the tokens.

    Returns:
        The text, or `None` where the server does not tell.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    turns = [dict(message) for message in messages]
    try:
        if server == "llama.cpp":
            told = await ask(link, root(link) + "/apply-template", {"messages": turns}, seconds=seconds)
        elif server == "vllm":
            chat = {"model": model, "messages": turns, "add_generation_prompt": True}
            tokens = await ask(link, root(link) + "/tokenize", chat, seconds=seconds)
            text = {"model": model, "tokens": (tokens or {}).get("tokens")}
            told = await ask(link, root(link) + "/detokenize", text, seconds=seconds)
        else:
            return None
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    prompt = (told or {}).get("prompt")
    return prompt if isinstance(prompt, str) else None
