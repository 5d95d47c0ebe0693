"""A real HTTP server on loopback that plays a fork/join model at a set pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self

from weaver_sdk.testing.behaviour import GOOD, Behaviour, Told
from weaver_sdk.testing.chat import Chat, ToldInChat, Turn, read_turn
from weaver_sdk.testing.connection import Received, ServedConnection
from weaver_sdk.testing.generation import generate
from weaver_sdk.testing.script import SCRIPTED_MODEL, pieces

Model = Callable[[str], str | None]
"""What a model writes on behind a prompt; `None` where it knows nothing. A `Script` is one."""

Behave = Iterable[Behaviour] | Callable[[Received], Behaviour | None]
"""How completions are answered: one behaviour a request in order of arrival and then well, or a function."""


class ScriptedServer:
    """Serves `/v1/completions`, `/v1/chat/completions`, `/v1/models` and `/health`, and counts what is asked.

    ```python
    async with ScriptedServer(fork_join_script(), pace=0.005) as server:
        backend = CompletionsBackend(server.name, server.base_url)
    ```

    It keeps stop strings and `max_tokens`, streams one token an event, and follows the wall clock: when it is
    late it writes all tokens that are due at once.

    Args:
        model: what the model writes.
        pace: seconds from one token to the next.
        behave: how to answer badly.
        chat: how it chats; not at all where not given.
        refuses: request fields that are answered with 400, as hosts do that do not know them.
        routes: answers by path, as JSON or bytes, or functions from the request's JSON to one.
        name: the model's; "threadweaver" in it tells `strategy="auto"` that it was trained to fork.
        api_key: if given, other keys get 401.
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
        """Every request, in order of arrival."""
        self.running = 0
        """Requests that are being answered."""
        self.most_running = 0
        """The most that were being answered at once."""
        self.connections = 0
        """Connections ever opened."""
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
        """The address, without the path: `http://127.0.0.1:PORT`."""
        if self._server is None:
            raise RuntimeError("the server is not running: use it in `async with`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """The address that a client takes."""
        return self.origin + "/v1"

    @property
    def completions(self) -> list[Received]:
        """The requests for completions, over chat or not, in order of arrival."""
        return [received for received in self.log if received.body.keys() & {"prompt", "messages"}]

    @property
    def finished(self) -> int:
        """Requests answered to the end."""
        return sum(received.outcome == "finished" for received in self.log)

    @property
    def aborted(self) -> int:
        """Requests whose client went away before the end."""
        return sum(received.outcome == "aborted" for received in self.log)

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        told = {"started": len(self.log), "running": self.running, "most_running": self.most_running}
        return told | {"finished": self.finished, "aborted": self.aborted, "connections": self.connections}

    async def until_idle(self, seconds: float = 5.0) -> None:
        """Wait until no request is being answered, as after a client has gone away.

        Raises:
            TimeoutError: some still are, after so many seconds.
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
        """Note that a request has been answered or given up."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    def asked(self, received: Received, connection: ServedConnection) -> None:
        """Answer a request."""
        path = received.path.partition("?")[0]
        if path == "/scripted/counts":  # a question about the log is not in the log
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
            told = self._routes[path]
            told = told(received.body) if callable(told) else told
            connection.respond(200, told if isinstance(told, bytes) else json.dumps(told).encode())
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
            told = f"Unsupported parameter: '{refused}' is not supported with this model."
            connection.respond(400, _error(told, "unsupported_parameter"))
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
        turn = read_turn(asked, chat) if chat else Turn(asked["prompt"])
        text = self.model(turn.prompt)
        if text is None:
            connection.respond(400, _error("the script knows nothing behind this prompt", "unknown_prompt"))
            return
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
        if how.endless:
            text *= 1 + (limit or 100_000) // max(1, len(pieces(text)))
        stop = asked.get("stop") or ()
        generation = generate(text, (stop,) if isinstance(stop, str) else stop, limit, how.stops)
        generation = replace(generation, steps=(*pieces(turn.again), *generation.steps))
        told = Told(
            behaviour=how,
            model=self.name,
            prompt_tokens=len(pieces(turn.prompt)),
            with_usage=bool((asked.get("stream_options") or {}).get("include_usage")),
        )
        if chat:
            told = ToldInChat(**vars(told), chat=chat, thoughts=tuple(pieces(chat.reasoning)))
        if asked.get("stream"):
            connection.stream(partial(told.event, generation), told.length(generation), self.pace, how)
        else:
            body = told.whole(generation)
            connection.later(self.pace * len(generation.steps), lambda: connection.respond(200, body))


def _error(message: str, code: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
