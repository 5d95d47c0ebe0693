"""How a scripted server serves chat completions: which form of prefill it takes, and its deltas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from weaver_sdk.backends.base import Prefill
from weaver_sdk.backends.chat_payload import ASKED_TO_GO_ON
from weaver_sdk.messages import readable
from weaver_sdk.testing.behaviour import CompletionResponse
from weaver_sdk.testing.generation import Generation


@dataclass(frozen=True, kw_only=True)
class Chat:
    """What `/v1/chat/completions` of a scripted server does. By default it takes no prefill."""

    prefill: Prefill = "ask"
    """The one form of prefill that it takes. A text in another form is ignored: the answer starts over."""
    repeats: Literal["nothing", "last line", "all"] = "nothing"
    """How much of a prefilled text the response repeats before it continues."""
    reasoning: str = ""
    """Sent first in every response, in a separate field."""
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning_content"
    only: bool = False
    """Whether the server has no `/v1/completions`."""


@dataclass(frozen=True)
class ModelInput:
    """A request as the scripted model reads it."""

    prompt: str
    """The whole conversation and the text to continue, as one text."""
    repeated: str = ""
    """What the response repeats before anything new."""


def read_messages(asked: Mapping[str, Any], chat: Chat) -> ModelInput:
    """Return what the model reads of a chat request."""
    messages: list[Mapping[str, Any]] = asked["messages"]
    begun = ""
    if readable(messages[-1].get("content")).startswith(ASKED_TO_GO_ON):
        *messages, _ = messages
        begun = readable(messages[-1].get("content"))
    elif messages[-1]["role"] == "assistant":
        if _continues(asked, messages[-1], chat):
            begun = readable(messages[-1].get("content"))
        else:
            messages = messages[:-1]
    lines = begun.splitlines(keepends=True)
    repeated = {"nothing": "", "last line": "".join(lines[-1:]), "all": begun}[chat.repeats]
    return ModelInput("".join(readable(message.get("content")) for message in messages), repeated)


def _continues(asked: Mapping[str, Any], last: Mapping[str, Any], chat: Chat) -> bool:
    match chat.prefill:
        case "continue_final_message":
            return bool(asked.get("continue_final_message")) and asked.get("add_generation_prompt") is False
        case "prefix":
            return bool(last.get("prefix"))
        case way:
            return way == "last_message"


@dataclass(frozen=True, kw_only=True)
class ChatResponse(CompletionResponse):
    """One response to `/v1/chat/completions`: the same events, with deltas."""

    chat: Chat
    thoughts: Sequence[str] = ()
    """The reasoning, cut into tokens."""

    def event(self, generation: Generation, n: int) -> bytes:
        """Return the bytes sent at the n-th token, counted from 1; the reasoning comes with the first."""
        data = super().event(generation, n)
        if n > 1:
            return data
        begun: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        begun += ({self.chat.reasoning_field: thought} for thought in self.thoughts)
        return b"".join(self._event(self._object([self._delta(delta)])) for delta in begun) + data

    def whole(self, generation: Generation) -> bytes:
        """Return the body for a request without `stream`."""
        message = {"role": "assistant", "content": generation.text}
        if self.chat.reasoning:
            message[self.chat.reasoning_field] = self.chat.reasoning
        choice = {"index": 0, "message": message, "finish_reason": self._finish(generation)}
        body = self._object([choice], usage=len(generation.steps)) | {"object": "chat.completion"}
        return json.dumps(body).encode()

    def _choice(self, text: str, finish: str | None = None, stop: str | None = None) -> dict[str, Any]:
        named = {"stop_reason": stop} if self.behaviour.names_stop else {}
        return self._delta({"content": text} if text or finish is None else {}, finish) | named

    def _delta(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": 0, "delta": dict(delta), "finish_reason": finish}

    def _object(self, choices: list[dict[str, Any]], usage: int | None = None) -> dict[str, Any]:
        return super()._object(choices, usage) | {"object": "chat.completion.chunk"}
