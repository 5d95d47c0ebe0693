"""Request fields that a server refuses, and token limits that it finds too high, as read from its errors."""

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
"""Never left out: without them the request would mean something else, and the response be silently wrong."""
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The token limit is never left out: it has two names, and a server that refuses one may accept the other."""
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

ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True)
class Fields:
    """Which request fields a server accepts, and under which names."""

    names: Mapping[str, str]
    """Standard name of a field -> the server's own, where they differ."""
    refused: frozenset[str]
    most: int | None = None
    """The highest token limit that it accepts, if it has reported one."""

    @classmethod
    def known(cls, capabilities: Capabilities) -> Fields:
        """Return the fields as known before the first request."""
        return cls(capabilities.field_names, capabilities.refused_fields)

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request that the server accepts."""
        sent = {self.names.get(name, name): value for name, value in body.items() if name not in self.refused}
        return sent if self.most is None else with_limit(sent, self.most)

    def without(self, named: str) -> Fields:
        """Return the fields without one that the server refused; a token limit gets its other name."""
        own = next((name for name, theirs in self.names.items() if theirs == named), named)
        if named in _LIMITS:
            return replace(self, names={**self.names, own: _LIMITS[named]})
        return replace(self, refused=self.refused | {own})


class Refusals:
    """Which fields one server accepts: as known in advance, and as learned from its errors."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._fields = Fields.known(capabilities)

    @property
    def refused(self) -> frozenset[str]:
        """The fields that are not sent."""
        return self._fields.refused

    async def send(
        self, post: Callable[[dict[str, Any]], Awaitable[ResponseT]], body: Mapping[str, Any]
    ) -> ResponseT:
        """Send a request; if the server refuses a field by name, send it again without that field.

        If the error names the highest token limit that is allowed, that is requested. Every field, and every
        kind of limit, is tried once. The combination that succeeded is remembered.

        Raises:
            APIStatusError: the server refuses the request for another reason.
        """
        fields, tried, room = self._fields, set[str](), None
        while True:
            sent = fields.fit(body)
            if room is not None:
                sent = with_limit(sent, room)
            try:
                response = await post(sent)
            except APIStatusError as error:
                message = str(error) if error.status in _BAD_REQUEST or _withholds_logprobs(error) else ""
                named, found = refused_field(message, sent), reported_limit(message, sent)
                reason = found.why if found else named
                if reason is None or reason in tried:
                    raise
            else:
                if tried:
                    self._remember(fields)
                return response
            tried.add(reason)
            if found is None:
                fields = fields.without(reason)
            elif found.why == "room":
                room = found.tokens
            else:
                fields = replace(fields, most=found.tokens)

    def _remember(self, fields: Fields) -> None:
        for name in fields.refused - self._fields.refused:
            _log.warning("the server refuses the request field %r: it is not sent from now on", name)
        if fields.most != self._fields.most:
            _log.info("the server accepts a token limit of at most %s", fields.most)
        self._fields = fields


@dataclass(frozen=True)
class ReportedLimit:
    """The token limit that a server would have accepted."""

    why: Literal["room", "most"]
    """"room": what this prompt leaves of the context; "most": the maximum for any request."""
    tokens: int


def reported_limit(message: str, sent: Mapping[str, Any]) -> ReportedLimit | None:
    """Return the token limit that an error names, if a higher one was sent."""
    asked = max((sent[name] for name in _LIMITS if isinstance(sent.get(name), int)), default=0)
    context, given, most = _CONTEXT.search(message), _INPUT.search(message), _MOST.search(message)
    found = None
    if context and given:
        found = ReportedLimit(
            "room", int(context[1]) - int(given[1]) - 1
        )  # some refuse an exactly full context too
    elif most:
        found = ReportedLimit("most", int(most[1] or most[2]))
    return found if found is not None and 0 < found.tokens < asked else None


def with_limit(sent: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return a request with its token limit capped."""
    return {
        name: min(value, most) if name in _LIMITS and isinstance(value, int) else value
        for name, value in sent.items()
    }


def refused_field(message: str, sent: Mapping[str, Any]) -> str | None:
    """Return the request field that an error is about: a quoted one, else one that it mentions."""
    too_much = _TOO_MUCH.search(message)  # the limit's name is accepted, its value is not
    fields = [name for name in sent if name not in _NEEDED and not (too_much and name in _LIMITS)]
    for pattern in (r"""["'`]{}["'`\\]""", r"(?<![\w/.]){}(?![\w/])"):
        found = (name for name in fields if re.search(pattern.format(re.escape(name)), message))
        if (name := next(found, None)) is not None:
            return name
    if _LOGPROBS.search(message):  # some errors spell it as a plain word
        return next((name for name in fields if name in ("logprobs", "top_logprobs")), None)
    return None


def _withholds_logprobs(error: APIStatusError) -> bool:
    return error.status == 403 and _LOGPROBS.search(str(error)) is not None
