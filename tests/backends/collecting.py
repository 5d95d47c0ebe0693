"""Asks a backend for one completion and keeps what came."""

from dataclasses import dataclass, field
from typing import Any

from weaver_sdk.backends.base import Backend, Chunk, CompletionRequest, Prompt, Retry, Usage
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.errors import BackendError
from weaver_sdk.options import RetryPolicy
from weaver_sdk.testing import Behaviour, ScriptedServer

QUESTION = "What is six times seven?"
WORDS = "Six times seven is forty-two."


def model(prompt: str) -> str | None:
    """Write on behind the question, from any point of the answer."""
    written = prompt.partition(QUESTION)[2]
    return (" " + WORDS)[len(written) :] if (" " + WORDS).startswith(written) else None


def server(*behaviours: Behaviour, **more: Any) -> ScriptedServer:
    """A server that answers the question; each request by the next behaviour, and then well."""
    return ScriptedServer(model, behave=behaviours, **more)


def asking(**changes: Any) -> CompletionRequest:
    """The request for it."""
    return CompletionRequest(prompt=Prompt(text=QUESTION), **changes)


@dataclass
class Got:
    """What came of one request."""

    chunks: list[Chunk] = field(default_factory=list)
    error: BackendError | None = None
    sent: int = 0
    """How often the request left."""

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def finish(self) -> list[str]:
        return [chunk.finish_reason for chunk in self.chunks if chunk.finish_reason is not None]

    @property
    def matched(self) -> list[str]:
        return [chunk.matched_stop for chunk in self.chunks if chunk.matched_stop is not None]

    @property
    def usage(self) -> Usage | None:
        return next((chunk.usage for chunk in reversed(self.chunks) if chunk.usage), None)

    @property
    def retries(self) -> list[Retry]:
        return [chunk.retry for chunk in self.chunks if chunk.retry is not None]


async def collect(backend: Backend, request: CompletionRequest | None = None) -> Got:
    """Read a completion to its end, or to its error."""
    got = Got()
    try:
        async for chunk in backend.stream(request or asking()):
            got.sent += chunk.sent
            if not chunk.sent:
                got.chunks.append(chunk)
    except BackendError as error:
        got.error = error
    return got


def policy(retries: int = 2, waits: list[float] | None = None) -> RetryPolicy:
    """Retries that note how long they would wait, and do not."""

    async def note(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    return RetryPolicy(retries=retries, sleep=note)


async def ask_once(asked: ScriptedServer, request: CompletionRequest | None = None, **more: Any) -> Got:
    """Ask a running server with a backend of its own; without retries unless they are given."""
    given = {"retries": policy(0), "timeouts": Timeouts(first=10, idle=10)} | more
    backend = CompletionsBackend("scripted", asked.base_url, **given)
    try:
        return await collect(backend, request)
    finally:
        await backend.aclose()
