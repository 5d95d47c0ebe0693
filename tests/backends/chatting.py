"""Asks a chat backend for the same completion in every way that servers know."""

from typing import Any

from tests.backends.collecting import QUESTION, Got, collect, model, policy
from weaver_sdk.backends.base import Capabilities, CompletionRequest, Prefill, Prompt
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.testing import Behaviour, Chat, ScriptedServer

USER = {"role": "user", "content": QUESTION}


def chat_server(*behaviours: Behaviour, chat: Chat | None = None, **more: Any) -> ScriptedServer:
    """A server that answers the question in a chat, and has nothing else."""
    return ScriptedServer(model, behave=behaviours, chat=chat or Chat(only=True), **more)


def knowing(prefill: Prefill, **more: Any) -> Capabilities:
    """A chat server that goes on with a text in this way."""
    return Capabilities(api="chat", prefill=prefill, **more)


def asking_in_chat(**changes: Any) -> CompletionRequest:
    """The request for it, as turns."""
    return CompletionRequest(prompt=Prompt(text=QUESTION, messages=(USER,)), **changes)


def backend_for(asked: ScriptedServer, capabilities: Capabilities | None = None, **more: Any) -> ChatBackend:
    """A backend without retries unless they are given."""
    given = {"retries": policy(0), "timeouts": Timeouts(first=10, idle=10)} | more
    return ChatBackend("scripted", asked.base_url, capabilities=capabilities, **given)


async def chat_once(
    asked: ScriptedServer,
    request: CompletionRequest | None = None,
    capabilities: Capabilities | None = None,
    **more: Any,
) -> Got:
    """Ask a running server with a backend of its own."""
    backend = backend_for(asked, capabilities, **more)
    try:
        return await collect(backend, request or asking_in_chat())
    finally:
        await backend.aclose()
