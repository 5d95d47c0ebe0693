"""How a scripted server answers one request: well, badly, or in one of the odd ways of real servers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from weaver_sdk.testing.generation import Generation, Stops

BrokenOff = Literal["ended", "mid_event", "dropped", "hung", "error", "error_event", "flat_error"]
"""How a stream breaks off: a clean end of the body, one within an event, a closed connection, silence on an
open one, or an error object in one of three forms."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How one request is answered. The default is a good answer; `Behaviour(status=429)` is a bad one."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes | None = None
    """The whole body, in place of a completion; JSON with an error message where only a status is given."""
    delay: float = 0.0
    """Seconds from the request to the first byte of the answer."""
    broken_off: BrokenOff | None = None
    after: int = 0
    """Tokens before it breaks off."""
    stops: Stops = "trim"
    endless: bool = False
    """The text begins anew wherever it ends, until `max_tokens` or a stop."""
    finish_reason: str | None = "as it was"
    """The word for the end; `None` and "" are sent as they are."""
    done: bool = True
    """Whether `[DONE]` is sent."""
    names_stop: bool = True
    """Whether `stop_reason` says which stop string matched."""
    usage: Literal["last", "every", "none"] = "last"
    """A usage chunk at the end where asked for, cumulative usage in every chunk, or none at all."""
    cached_tokens: int | None = None
    """Tokens of the prompt that are said to come from the prefix cache."""
    token_ids: bool = False
    """Whether each chunk holds `token_ids`."""
    newline: str = "\n"
    space: bool = True
    """Whether a space follows `data:`."""
    comments: bool = False
    """Whether comments, `id:`, `retry:` and a `data:` of several lines stand between and in the events."""
    split: int | None = None
    """Bytes in one write, to cut events and characters in two; whole events where not given."""


GOOD = Behaviour()


@dataclass(frozen=True, kw_only=True)
class Told:
    """What every event of one answer says."""

    behaviour: Behaviour
    model: str
    prompt_tokens: int
    with_usage: bool

    def length(self, generation: Generation) -> int:
        """Return how many tokens are written; the end of the stream goes with the last one."""
        tokens = len(generation.steps)
        return max(1, min(tokens, self.behaviour.after) if self.behaviour.broken_off else tokens)

    def event(self, generation: Generation, n: int) -> bytes:
        """Return what is sent at the n-th token, counted from 1."""
        told = self._token(generation.steps[n - 1], n) if n <= self._shown(generation) else b""
        if n < self.length(generation):
            return told
        return told + (self._break() if self.behaviour.broken_off else self._end(generation))

    def _shown(self, generation: Generation) -> int:
        return self.behaviour.after if self.behaviour.broken_off else len(generation.steps)

    def whole(self, generation: Generation) -> bytes:
        """Return the answer to a request that did not ask for a stream."""
        choice = self._choice(generation.text, self._finish(generation), generation.matched_stop)
        return json.dumps(self._object([choice], usage=len(generation.steps))).encode()

    def _token(self, text: str, n: int) -> bytes:
        every = self.behaviour.usage == "every"
        if not text and not every:
            return b""
        if not every and not self.behaviour.token_ids and not self.behaviour.comments:
            before, behind = self._plain
            return before + json.dumps(text, ensure_ascii=False).encode() + behind
        choice = self._choice(text) | ({"token_ids": [n]} if self.behaviour.token_ids else {})
        return self._event(self._object([choice], usage=n if every else None))

    @cached_property
    def _plain(self) -> tuple[bytes, bytes]:
        """What stands before and behind the text of an ordinary event."""
        before, _, behind = self._event(self._object([self._choice("TEXT")])).partition(b'"TEXT"')
        return before, behind

    def _end(self, generation: Generation) -> bytes:
        tokens = len(generation.steps)
        finish = self._choice("", self._finish(generation), generation.matched_stop)
        every = self.behaviour.usage == "every"
        end = self._event(self._object([finish], usage=tokens if every else None))
        if self.with_usage and self.behaviour.usage == "last":
            end += self._event(self._object([], usage=tokens))
        return end + (self._data("[DONE]") if self.behaviour.done else b"")

    def _finish(self, generation: Generation) -> str | None:
        asked = self.behaviour.finish_reason
        return generation.finish_reason if asked == "as it was" else asked

    def _break(self) -> bytes:
        error = {"message": "the model is lost", "type": "server_error", "code": 500}
        match self.behaviour.broken_off:
            case "mid_event":
                event = self._event(self._object([self._choice("half of a")]))
                return event[: len(event) // 2]
            case "error":
                return self._event({"error": error})
            case "error_event":
                return f"event: error{self.behaviour.newline}".encode() + self._event(error)
            case "flat_error":
                return self._event({"object": "error"} | error)
            case _:
                return b""

    def _choice(self, text: str, finish: str | None = None, stop: str | None = None) -> dict[str, Any]:
        named = {"stop_reason": stop} if self.behaviour.names_stop else {}
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish} | named

    def _object(self, choices: list[dict[str, Any]], usage: int | None = None) -> dict[str, Any]:
        told: dict[str, Any] = {"id": "cmpl-scripted", "object": "text_completion", "created": 0}
        told |= {"model": self.model, "choices": choices}
        return told if usage is None else told | {"usage": self._usage(usage)}

    def _usage(self, tokens: int) -> dict[str, Any]:
        counts: dict[str, Any] = {"prompt_tokens": self.prompt_tokens, "completion_tokens": tokens}
        counts["total_tokens"] = self.prompt_tokens + tokens
        if self.behaviour.cached_tokens is not None:
            counts["prompt_tokens_details"] = {"cached_tokens": self.behaviour.cached_tokens}
        return counts

    def _event(self, told: dict[str, Any]) -> bytes:
        if not self.behaviour.comments:
            return self._data(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
        lines = json.dumps(told, ensure_ascii=False, indent=1)
        between = self.behaviour.newline.join((": ping", "id: 7", "retry: 3000", "", ""))
        return between.encode() + self._data(lines)

    def _data(self, text: str) -> bytes:
        field_name = "data: " if self.behaviour.space else "data:"
        lines = [field_name + line for line in text.split("\n")]
        return self.behaviour.newline.join((*lines, "", "")).encode()
