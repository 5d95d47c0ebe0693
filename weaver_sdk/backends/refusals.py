"""Request fields that a server turns out not to take: found in its error, left out from then on."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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
_TOO_MUCH = re.compile(r"too (large|long|high|many)|exceed|context length", re.IGNORECASE)

Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Fields:
    """Which request fields a server takes, and under which names."""

    names: Mapping[str, str]
    """Our name for a field -> the server's, where it has one of its own."""
    refused: frozenset[str]

    @classmethod
    def known(cls, capabilities: Capabilities) -> Fields:
        """Return what is known before the first request."""
        return cls(capabilities.field_names, capabilities.refused_fields)

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as the server takes it."""
        return {self.names.get(name, name): value for name, value in body.items() if name not in self.refused}

    def without(self, named: str) -> Fields:
        """Return the fields without one that the server named; a limit gets its other name."""
        own = next((name for name, theirs in self.names.items() if theirs == named), named)
        if named in _LIMITS:
            return replace(self, names={**self.names, own: _LIMITS[named]})
        return replace(self, refused=self.refused | {own})


class Refusals:
    """The fields that one server takes: as far as they are known, and as they turn out."""

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

        Every field is tried once. What got a request through is remembered.

        Raises:
            APIStatusError: the server refuses the request for another reason.
        """
        fields, tried = self._fields, set[str]()
        while True:
            sent = fields.fit(body)
            try:
                answered = await post(sent)
            except APIStatusError as error:
                named = refused_field(str(error), sent) if error.status in _BAD_REQUEST else None
                if named is None or named in tried:
                    raise
            else:
                if tried:
                    self._remember(fields)
                return answered
            tried.add(named)
            fields = fields.without(named)

    def _remember(self, fields: Fields) -> None:
        for name in fields.refused - self._fields.refused:
            _log.warning("the server refuses the request field %r: it is left out from now on", name)
        self._fields = fields


def refused_field(message: str, sent: Mapping[str, Any]) -> str | None:
    """Return the request field that an error is about: one in quotation marks, else one that it mentions."""
    too_much = _TOO_MUCH.search(message)  # a limit that is known, and not kept
    fields = [name for name in sent if name not in _NEEDED and not (too_much and name in _LIMITS)]
    for pattern in (r"""["'`]{}["'`\\]""", r"(?<![\w/.]){}(?![\w/])"):
        found = (name for name in fields if re.search(pattern.format(re.escape(name)), message))
        if (name := next(found, None)) is not None:
            return name
    return None
