"""How many tokens a server makes of a text, where it tells."""

from __future__ import annotations

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.link import Link
from weaver_sdk.backends.probe import PROBE_SECONDS, ask, root
from weaver_sdk.errors import BackendError, ConnectionFailed


async def ask_token_count(
    link: Link, model: str, server: ServerKind, text: str, seconds: float = PROBE_SECONDS
) -> int | None:
    """Return the number of tokens, special ones for the whole sequence left out; `None` where it is not told.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    body: dict[str, object]
    if server == "llama.cpp":
        body = {"content": text, "add_special": False, "parse_special": True}
    elif server == "vllm":
        body = {"model": model, "prompt": text, "add_special_tokens": False}
    else:
        return None
    try:
        told = await ask(link, root(link) + "/tokenize", body, seconds=seconds)
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    tokens = (told or {}).get("tokens")
    return len(tokens) if isinstance(tokens, list) else None
