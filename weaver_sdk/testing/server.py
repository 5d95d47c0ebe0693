"""A real HTTP server on loopback that acts as a fork/join model at a given pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self

from weaver_sdk.testing.behaviour import GOOD, Behaviour, CompletionResponse
from weaver_sdk.testing.chat import Chat, ChatResponse, ModelInput, read_messages
from weaver_sdk.testing.connection import Received, ServedConnection
from weaver_sdk.testing.generation import generate
from weaver_sdk.testing.script import SCRIPTED_MODEL, pieces

Model = Callable[[str], str | None]
"""The continuation of a prompt; `None` if it knows none. A `Script` is one."""

Behave = Iterable[Behaviour] | Callable[[Received], Behaviour | None]
"""How completions are answered: one behaviour per request in order, then correctly; or a function."""


class ScriptedServer:
    """Serves `/v1/completions`, `/v1/chat/completions`, `/v1/models` and `/health`, and counts the requests.

    ```python
    async with ScriptedServer(fork_join_script(), pace=0.005) as server:
        backend = CompletionsBackend(server.name, server.base_url)
    ```

    It honours stop strings and `max_tokens`, streams one token per event, and follows the wall clock: when it
    is late, it sends all tokens that are due at once.

    Args:
        model: what the model writes.
        pace: seconds per token.
        behave: which requests to answer otherwise than correctly.
        chat: how to serve chat completions; if not given, there are none.
        refuses: request fields to answer with 400, as servers do with unknown fields.
        routes: responses by path: JSON, bytes, or a function that makes either from the request's JSON.
        name: the model's name; with "threadweaver" in it, `strategy="auto"` takes it as trained to fork.
        api_key: if given, requests with another key get 401.
    """

    def __init__(
        self,
        model: Model,
        *,
        pace: float = 0.0,
        behave: Behave = (),
        chat: Chat | None = None,
        refuses: Collection[str] = (),
        routes: Mapping[str, object] | None = None,
        name: str = SCRIPTED_MODEL,
        api_key: str | None = None,
    ) -> None:
        self.model = model
        self.pace = pace
        self.name = name
        self.log: list[Received] = []
        """All requests, in order of arrival."""
        self.running = 0
        """Requests in progress."""
        self.most_running = 0
        """The most requests in progress at once."""
        self.connections = 0
        """Connections opened so far."""
        self._open: set[ServedConnection] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._behave: Iterator[Behaviour] | Callable[[Received], Behaviour | None]
        self._behave = behave if callable(behave) else iter(behave)
        self._chat = chat
        self._refuses = refuses
        models = {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "scripted"}]}
        self._routes: dict[str, object] = {"/health": {}, "/v1/models": models, **(routes or {})}
        self._api_key = api_key
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        """The address without a path: `http://127.0.0.1:PORT`."""
        if self._server is None:
            raise RuntimeError("the server is not running: use it in `async with`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """The address to give to a client."""
        return self.origin + "/v1"

    @property
    def completions(self) -> list[Received]:
        """The completion requests, chat or not, in order of arrival."""
        return [received for received in self.log if received.body.keys() & {"prompt", "messages"}]

    @property
    def finished(self) -> int:
        """Requests answered to the end."""
        return sum(received.outcome == "finished" for received in self.log)

    @property
    def aborted(self) -> int:
        """Requests whose client disconnected before the end."""
        return sum(received.outcome == "aborted" for received in self.log)

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        counts = {"started": len(self.log), "running": self.running, "most_running": self.most_running}
        return counts | {"finished": self.finished, "aborted": self.aborted, "connections": self.connections}

    async def until_idle(self, seconds: float = 5.0) -> None:
        """Wait until no request is in progress, for example after a client disconnected.

        Raises:
            TimeoutError: some still are after this many seconds.
        """
        async with asyncio.timeout(seconds):
            await self._idle.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: ServedConnection(self, loop), "127.0.0.1", 0, backlog=1024
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for connection in list(self._open):
                connection.abort()
            await server.wait_closed()

    def opened(self, connection: ServedConnection) -> None:
        """Count a connection."""
        self.connections += 1
        self._open.add(connection)

    def lost(self, connection: ServedConnection) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    def ended(self) -> None:
        """Note that a request was answered or aborted."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    def asked(self, received: Received, connection: ServedConnection) -> None:
        """Answer a request."""
        path = received.path.partition("?")[0]
        if path == "/scripted/counts":  # asking for the counts does not change them
            connection.respond(200, json.dumps(self.counts()).encode(), logged=False)
            return
        self.log.append(received)
        self._idle.clear()
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if self._api_key is not None and received.headers.get("authorization") != f"Bearer {self._api_key}":
            connection.respond(401, _error("the key is wrong", "invalid_api_key"))
        elif path in self._endpoints():
            self._complete(received, connection)
        elif path in self._routes:
            body = self._routes[path]
            body = body(received.body) if callable(body) else body
            connection.respond(200, body if isinstance(body, bytes) else json.dumps(body).encode())
        else:
            connection.respond(404, _error(f"nothing at {path}", "not_found"))

    def _endpoints(self) -> list[str]:
        completions = [] if self._chat and self._chat.only else ["/v1/completions"]
        return [*completions, "/v1/chat/completions"] if self._chat else completions

    def _complete(self, received: Received, connection: ServedConnection) -> None:
        needed = "messages" if "/chat/" in received.path else "prompt"
        if needed not in received.body:
            connection.respond(400, _error(f"{needed} is missing", "invalid_request_error"))
            return
        refused = next((name for name in received.body if name in self._refuses), None)
        if refused is not None:
            message = f"Unsupported parameter: '{refused}' is not supported with this model."
            connection.respond(400, _error(message, "unsupported_parameter"))
            return
        chosen = self._behave(received) if callable(self._behave) else next(self._behave, None)
        how = chosen or GOOD
        if how.delay:
            connection.later(how.delay, lambda: self._write(received, connection, how))
        else:
            self._write(received, connection, how)

    def _write(self, received: Received, connection: ServedConnection, how: Behaviour) -> None:
        if how.status != 200 or how.body is not None:
            body = how.body if how.body is not None else _error(HTTPStatus(how.status).phrase, "scripted")
            connection.respond(how.status, body.encode() if isinstance(body, str) else body, how.headers)
            return
        asked = received.body
        chat = self._chat if "messages" in asked else None
        given = read_messages(asked, chat) if chat else ModelInput(asked["prompt"])
        text = self.model(given.prompt)
        if text is None:
            connection.respond(400, _error("no continuation is scripted for this prompt", "unknown_prompt"))
            return
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
        if how.endless:
            text *= 1 + (limit or 100_000) // max(1, len(pieces(text)))
        stop = asked.get("stop") or ()
        generation = generate(text, (stop,) if isinstance(stop, str) else stop, limit, how.stops)
        generation = replace(generation, steps=(*pieces(given.repeated), *generation.steps))
        response = CompletionResponse(
            behaviour=how,
            model=self.name,
            prompt_tokens=len(pieces(given.prompt)),
            with_usage=bool((asked.get("stream_options") or {}).get("include_usage")),
        )
        if chat:
            response = ChatResponse(**vars(response), chat=chat, thoughts=tuple(pieces(chat.reasoning)))
        if asked.get("stream"):
            connection.stream(
                partial(response.event, generation), response.length(generation), self.pace, how
            )
        else:
            body = response.whole(generation)
            connection.later(self.pace * len(generation.steps), lambda: connection.respond(200, body))


def _error(message: str, code: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
