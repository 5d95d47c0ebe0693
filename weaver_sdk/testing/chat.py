"""How a scripted server chats: which way of going on with a text it knows, and what its deltas look like."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from weaver_sdk.backends.base import Prefill
from weaver_sdk.backends.chat_payload import ASKED_TO_GO_ON
from weaver_sdk.messages import readable
from weaver_sdk.testing.behaviour import Told
from weaver_sdk.testing.generation import Generation


@dataclass(frozen=True, kw_only=True)
class Chat:
    """What `/v1/chat/completions` of a scripted server does. The default is a host without a prefill."""

    prefill: Prefill = "ask"
    """The one way that it knows. A text that comes in another way is overlooked: the answer begins anew."""
    repeats: Literal["nothing", "last line", "all"] = "nothing"
    """What it says again of a text before it goes on."""
    reasoning: str = ""
    """What each answer sends first, in a field of its own."""
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning_content"
    only: bool = False
    """Whether there is no `/v1/completions` beside it."""


@dataclass(frozen=True)
class Turn:
    """What a conversation asks of the model."""

    prompt: str
    """All that was said, and the text to go on with, as one."""
    again: str = ""
    """What the answer begins with, before anything new."""


def read_turn(asked: Mapping[str, Any], chat: Chat) -> Turn:
    """Return what the messages of a request ask for."""
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
    again = {"nothing": "", "last line": "".join(lines[-1:]), "all": begun}[chat.repeats]
    return Turn("".join(readable(message.get("content")) for message in messages), again)


def _continues(asked: Mapping[str, Any], last: Mapping[str, Any], chat: Chat) -> bool:
    match chat.prefill:
        case "continue_final_message":
            return bool(asked.get("continue_final_message")) and asked.get("add_generation_prompt") is False
        case "prefix":
            return bool(last.get("prefix"))
        case way:
            return way == "last_message"


@dataclass(frozen=True, kw_only=True)
class ToldInChat(Told):
    """The same events with deltas in them."""

    chat: Chat
    thoughts: Sequence[str] = ()
    """The reasoning, in pieces."""

    def event(self, generation: Generation, n: int) -> bytes:
        """Return what is sent at the n-th token, counted from 1; the reasoning goes with the first."""
        told = super().event(generation, n)
        if n > 1:
            return told
        begun: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        begun += ({self.chat.reasoning_field: thought} for thought in self.thoughts)
        return b"".join(self._event(self._object([self._delta(delta)])) for delta in begun) + told

    def whole(self, generation: Generation) -> bytes:
        """Return the answer to a request that did not ask for a stream."""
        message = {"role": "assistant", "content": generation.text}
        if self.chat.reasoning:
            message[self.chat.reasoning_field] = self.chat.reasoning
        choice = {"index": 0, "message": message, "finish_reason": self._finish(generation)}
        told = self._object([choice], usage=len(generation.steps)) | {"object": "chat.completion"}
        return json.dumps(told).encode()

    def _choice(self, text: str, finish: str | None = None, stop: str | None = None) -> dict[str, Any]:
        named = {"stop_reason": stop} if self.behaviour.names_stop else {}
        return self._delta({"content": text} if text or finish is None else {}, finish) | named

    def _delta(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": 0, "delta": dict(delta), "finish_reason": finish}

    def _object(self, choices: list[dict[str, Any]], usage: int | None = None) -> dict[str, Any]:
        return super()._object(choices, usage) | {"object": "chat.completion.chunk"}
