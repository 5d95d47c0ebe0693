"""Tokenizing a text with the server's own tokenizer, where it has an endpoint for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from weaver_sdk.backends.base import CompletionRequest, ServerKind
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, fetch_json, server_root
from weaver_sdk.errors import BackendError, ConnectionFailed, ProtocolError

Tokenize = Callable[[str], Awaitable[tuple[int, ...] | None]]
"""From a text to its tokens; `None` if the server has no such endpoint."""

_CACHED_TEXTS = 1024
"""Texts whose tokens are cached: prompts of the current runs, tags, and seeds of threads."""


async def ask_tokens(
    transport: Transport, model: str, server: ServerKind, text: str, seconds: float = PROBE_SECONDS
) -> tuple[int, ...] | None:
    """Return the tokens of a text, without BOS or EOS; `None` if the server has no such endpoint.

    Raises:
        ConnectionFailed: no server at the address.
    """
    body: dict[str, object]
    if server == "llama.cpp":
        body = {"content": text, "add_special": False, "parse_special": True}
    elif server == "vllm":
        body = {"model": model, "prompt": text, "add_special_tokens": False}
    else:
        return None
    try:
        response = await fetch_json(transport, server_root(transport) + "/tokenize", body, seconds=seconds)
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    tokens = (response or {}).get("tokens")
    return tuple(tokens) if isinstance(tokens, list) else None


class TokenCache:
    """Turns requests into tokens: those that the model wrote are reused, the server tokenizes the rest.

    Args:
        tokenize: called once for each text.
    """

    def __init__(self, tokenize: Tokenize) -> None:
        self._tokenize = tokenize
        self._known: dict[str, tuple[int, ...]] = {}

    async def of(self, request: CompletionRequest) -> list[int]:
        """Return the tokens of a request's prompt and prefix.

        Raises:
            ProtocolError: the server cannot tokenize a text.
            ConnectionFailed: no server at the address.
        """
        tokens = [*await self._of_text(request.prompt.text)]
        client = ""  # adjacent text of the client is tokenized as one
        for span in request.spans or ():
            if not span.ids:
                client += span.text
            else:
                tokens += await self._of_text(client)
                tokens += span.ids
                client = ""
        return [*tokens, *(await self._of_text(client))]

    async def _of_text(self, text: str) -> tuple[int, ...]:
        if not text:
            return ()
        known = self._known.pop(text, None)
        if known is None:
            known = await self._tokenize(text)
            if known is None:
                raise ProtocolError('the server cannot tokenize a text: use prefix="text"')
        self._known[text] = known  # least recently used first
        if len(self._known) > _CACHED_TEXTS:
            del self._known[next(iter(self._known))]
        return known
