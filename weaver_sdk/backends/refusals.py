"""Request fields that a server turns out not to take, and limits that are too high for it.

Both are found in its errors.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from weaver_sdk.backends.base import Capabilities
from weaver_sdk.errors import APIStatusError

_log = logging.getLogger("weaver_sdk")

_BAD_REQUEST = (400, 422)
_NEEDED = frozenset(
    {"model", "messages", "prompt", "stream", "continue_final_message", "add_generation_prompt"}
)
"""Without these a request would be another one, and the answer wrong without a word."""
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""A limit is never left out: it has two names, and a server that refuses one may take the other."""
_TOO_MUCH = re.compile(
    r"too (large|long|high|many)|exceed|context length|greater than|less than|at most", re.IGNORECASE
)
_CONTEXT = re.compile(r"maximum context length (?:of|is) (\d+)", re.IGNORECASE)
_INPUT = re.compile(r"(\d+) (?:tokens )?(?:from the input|of text input|in the (?:messages|prompt))")
_MOST = re.compile(
    r"max_\w*tokens\W{1,4}(?:\d+ )?(?:must be |cannot be )?"
    r"(?:at most|less than or equal to|greater than \w+=)\s*[`'\"]?(\d+)"
    r"|at most (\d+) (?:completion|output) tokens"
)
_LOGPROBS = re.compile("logprobs", re.IGNORECASE)

Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Fields:
    """Which request fields a server takes, and under which names."""

    names: Mapping[str, str]
    """Our name for a field -> the server's, where it has one of its own."""
    refused: frozenset[str]
    most: int | None = None
    """The highest limit on tokens that it takes, where it has said so."""

    @classmethod
    def known(cls, capabilities: Capabilities) -> Fields:
        """Return what is known before the first request."""
        return cls(capabilities.field_names, capabilities.refused_fields)

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as the server takes it."""
        sent = {self.names.get(name, name): value for name, value in body.items() if name not in self.refused}
        return sent if self.most is None else with_limit(sent, self.most)

    def without(self, named: str) -> Fields:
        """Return the fields without one that the server named; a limit gets its other name."""
        own = next((name for name, theirs in self.names.items() if theirs == named), named)
        if named in _LIMITS:
            return replace(self, names={**self.names, own: _LIMITS[named]})
        return replace(self, refused=self.refused | {own})


class Refusals:
    """What one server takes: as far as it is known, and as it turns out."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._fields = Fields.known(capabilities)

    @property
    def refused(self) -> frozenset[str]:
        """The fields that are left out."""
        return self._fields.refused

    async def send(
        self, post: Callable[[dict[str, Any]], Awaitable[Answered]], body: Mapping[str, Any]
    ) -> Answered:
        """Send a request; where the server refuses a field by its name, send it again without that field.

        Where it says how many tokens would have been few enough, they are asked for. Every field, and every
        kind of limit, is tried once. What got a request through is remembered.

        Raises:
            APIStatusError: the server refuses the request for another reason.
        """
        fields, tried, room = self._fields, set[str](), None
        while True:
            sent = fields.fit(body)
            if room is not None:
                sent = with_limit(sent, room)
            try:
                answered = await post(sent)
            except APIStatusError as error:
                told = str(error) if error.status in _BAD_REQUEST or _withholds_logprobs(error) else ""
                named, found = refused_field(told, sent), limit_told(told, sent)
                reason = found.why if found else named
                if reason is None or reason in tried:
                    raise
            else:
                if tried:
                    self._remember(fields)
                return answered
            tried.add(reason)
            if found is None:
                fields = fields.without(reason)
            elif found.why == "room":
                room = found.tokens
            else:
                fields = replace(fields, most=found.tokens)

    def _remember(self, fields: Fields) -> None:
        for name in fields.refused - self._fields.refused:
            _log.warning("the server refuses the request field %r: it is left out from now on", name)
        if fields.most != self._fields.most:
            _log.info("the server takes %s tokens at most as a limit", fields.most)
        self._fields = fields


@dataclass(frozen=True)
class LimitTold:
    """How many tokens a server would have granted."""

    why: Literal["room", "most"]
    """What this prompt leaves of the context, or what it grants at all."""
    tokens: int


def limit_told(message: str, sent: Mapping[str, Any]) -> LimitTold | None:
    """Return the limit on tokens that an error names, where a higher one was sent."""
    asked = max((sent[name] for name in _LIMITS if isinstance(sent.get(name), int)), default=0)
    context, given, most = _CONTEXT.search(message), _INPUT.search(message), _MOST.search(message)
    found = None
    if context and given:
        found = LimitTold("room", int(context[1]) - int(given[1]) - 1)  # some refuse a full context too
    elif most:
        found = LimitTold("most", int(most[1] or most[2]))
    return found if found is not None and 0 < found.tokens < asked else None


def with_limit(sent: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return a request that asks for so many tokens at most."""
    return {
        name: min(value, most) if name in _LIMITS and isinstance(value, int) else value
        for name, value in sent.items()
    }


def refused_field(message: str, sent: Mapping[str, Any]) -> str | None:
    """Return the request field that an error is about: one in quotation marks, else one that it mentions."""
    too_much = _TOO_MUCH.search(message)  # a limit that is known, and not kept
    fields = [name for name in sent if name not in _NEEDED and not (too_much and name in _LIMITS)]
    for pattern in (r"""["'`]{}["'`\\]""", r"(?<![\w/.]){}(?![\w/])"):
        found = (name for name in fields if re.search(pattern.format(re.escape(name)), message))
        if (name := next(found, None)) is not None:
            return name
    if _LOGPROBS.search(message):  # some write it as a word of English
        return next((name for name in fields if name in ("logprobs", "top_logprobs")), None)
    return None


def _withholds_logprobs(error: APIStatusError) -> bool:
    return error.status == 403 and _LOGPROBS.search(str(error)) is not None
