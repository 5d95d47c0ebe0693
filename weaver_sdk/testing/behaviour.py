"""How a scripted server answers one request: correctly, with an error, or in an odd way of real servers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from weaver_sdk.testing.generation import Generation, Stops

BrokenOff = Literal["ended", "mid_event", "dropped", "hung", "error", "error_event", "flat_error"]
"""How a stream breaks off: the body ends cleanly, or within an event; the connection closes, or stays open
and silent; or an error object comes, in one of three forms."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How one request is answered. The default is correct; `Behaviour(status=429)` is an error."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes | None = None
    """The whole body, instead of a completion; JSON with an error message if only a status is given."""
    delay: float = 0.0
    """Seconds from the request to the first byte of the response."""
    broken_off: BrokenOff | None = None
    after: int = 0
    """Tokens before it breaks off."""
    stops: Stops = "trim"
    endless: bool = False
    """Repeat the text until `max_tokens` or a stop string."""
    finish_reason: str | None = "as it was"
    """The finish reason to send, `None` and "" included; by default the true one."""
    done: bool = True
    """Whether `[DONE]` is sent."""
    names_stop: bool = True
    """Whether `stop_reason` names the stop string that matched."""
    usage: Literal["last", "every", "none"] = "last"
    """A usage chunk at the end if the request asks for it, cumulative usage in every chunk, or none."""
    cached_tokens: int | None = None
    """Prompt tokens to report as prefix-cache hits."""
    token_ids: bool = False
    """Whether each chunk has `token_ids`."""
    newline: str = "\n"
    space: bool = True
    """Whether a space follows `data:`."""
    comments: bool = False
    """Whether the stream has comments, `id:`, `retry:` and multi-line `data:`."""
    split: int | None = None
    """Bytes per write, which cuts events and characters in two; whole events if not given."""


GOOD = Behaviour()


@dataclass(frozen=True, kw_only=True)
class CompletionResponse:
    """One response to `/v1/completions`: renders its events, or its whole body."""

    behaviour: Behaviour
    model: str
    prompt_tokens: int
    with_usage: bool

    def length(self, generation: Generation) -> int:
        """Return how many tokens are sent; the end of the stream comes with the last one."""
        tokens = len(generation.steps)
        return max(1, min(tokens, self.behaviour.after) if self.behaviour.broken_off else tokens)

    def event(self, generation: Generation, n: int) -> bytes:
        """Return the bytes sent at the n-th token, counted from 1."""
        data = self._token(generation.steps[n - 1], n) if n <= self._shown(generation) else b""
        if n < self.length(generation):
            return data
        return data + (self._break() if self.behaviour.broken_off else self._end(generation))

    def _shown(self, generation: Generation) -> int:
        return self.behaviour.after if self.behaviour.broken_off else len(generation.steps)

    def whole(self, generation: Generation) -> bytes:
        """Return the body for a request without `stream`."""
        choice = self._choice(generation.text, self._finish(generation), generation.matched_stop)
        return json.dumps(self._object([choice], usage=len(generation.steps))).encode()

    def _token(self, text: str, n: int) -> bytes:
        every = self.behaviour.usage == "every"
        if not text and not every:
            return b""
        if not every and not self.behaviour.token_ids and not self.behaviour.comments:
            before, after = self._plain
            return before + json.dumps(text, ensure_ascii=False).encode() + after
        choice = self._choice(text) | ({"token_ids": [n]} if self.behaviour.token_ids else {})
        return self._event(self._object([choice], usage=n if every else None))

    @cached_property
    def _plain(self) -> tuple[bytes, bytes]:
        """The bytes before and after the text of a plain event."""
        before, _, after = self._event(self._object([self._choice("TEXT")])).partition(b'"TEXT"')
        return before, after

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
        error = {"message": "the model crashed", "type": "server_error", "code": 500}
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
        body: dict[str, Any] = {"id": "cmpl-scripted", "object": "text_completion", "created": 0}
        body |= {"model": self.model, "choices": choices}
        return body if usage is None else body | {"usage": self._usage(usage)}

    def _usage(self, tokens: int) -> dict[str, Any]:
        counts: dict[str, Any] = {"prompt_tokens": self.prompt_tokens, "completion_tokens": tokens}
        counts["total_tokens"] = self.prompt_tokens + tokens
        if self.behaviour.cached_tokens is not None:
            counts["prompt_tokens_details"] = {"cached_tokens": self.behaviour.cached_tokens}
        return counts

    def _event(self, payload: dict[str, Any]) -> bytes:
        if not self.behaviour.comments:
            return self._data(json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
        lines = json.dumps(payload, ensure_ascii=False, indent=1)
        between = self.behaviour.newline.join((": ping", "id: 7", "retry: 3000", "", ""))
        return between.encode() + self._data(lines)

    def _data(self, text: str) -> bytes:
        field_name = "data: " if self.behaviour.space else "data:"
        lines = [field_name + line for line in text.split("\n")]
        return self.behaviour.newline.join((*lines, "", "")).encode()
