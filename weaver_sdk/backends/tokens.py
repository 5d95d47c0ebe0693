"""The tokens that a server makes of a text, where it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from weaver_sdk.backends.base import CompletionRequest, ServerKind
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, ask, root
from weaver_sdk.errors import BackendError, ConnectionFailed, ProtocolError

AskTokens = Callable[[str], Awaitable[tuple[int, ...] | None]]
"""From a text to its tokens; `None` where the server does not tell."""

_KEPT = 1024
"""Texts whose tokens are remembered: the prompts of the runs under way, tags, and seeds of threads."""


async def ask_tokens(
    transport: Transport, model: str, server: ServerKind, text: str, seconds: float = PROBE_SECONDS
) -> tuple[int, ...] | None:
    """Return the tokens of a text, special ones for the whole sequence left out; `None` where it is not told.

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
        told = await ask(transport, root(transport) + "/tokenize", body, seconds=seconds)
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    tokens = (told or {}).get("tokens")
    return tuple(tokens) if isinstance(tokens, list) else None


class TokenCache:
    """Turns requests into tokens. What the model wrote is taken as it was; the server is asked for the rest.

    Args:
        ask: asked once for each text.
    """

    def __init__(self, ask: AskTokens) -> None:
        self._ask = ask
        self._known: dict[str, tuple[int, ...]] = {}

    async def of(self, request: CompletionRequest) -> list[int]:
        """Return the tokens of a request's prompt and prefix.

        Raises:
            ProtocolError: the server does not tell the tokens of a text.
            ConnectionFailed: nobody answers at the address.
        """
        tokens = [*await self._of_text(request.prompt.text)]
        client = ""  # what the client wrote in a row is cut as one text
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
            known = await self._ask(text)
            if known is None:
                raise ProtocolError('the server does not tell the tokens of a text: use prefix="text"')
        self._known[text] = known  # the last one used is dropped last
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return known
