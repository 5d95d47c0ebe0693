"""Errors from a server's responses: which error, and when to retry."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from weaver_sdk.errors import APIStatusError

_TRANSIENT = ("server_error", "internal", "overloaded", "unavailable", "rate_limit", "timeout")
"""Words in the type of an error within a 200 response that mark it as retryable."""

_HINTS = {
    401: "check the API key (api_key=, or OPENAI_API_KEY)",
    403: "the API key may not use this model or address",
    404: "check the base_url (it usually ends in /v1) and the model's name",
    429: "rate limit: lower max_concurrency, or wait",
}
_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|(prompt|input|request)[\w ]{0,20} is too long",
    re.IGNORECASE,
)
"""How servers say, in a message or a code, that prompt and completion do not fit into the context."""
_TOO_LONG_HINT = (
    "shorten the question or its history, or serve the model with a longer context: "
    "context_tokens= of an engine that is started here"
)


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Parse bytes as a JSON object; `None` if they are anything else."""
    try:
        parsed = from_json(data)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def status_error(status: int, headers: Mapping[str, str], body: bytes, where: str) -> APIStatusError:
    """Return the error of a response with an error status.

    Args:
        body: the response's body, with the key redacted.
        where: the address of the request, for the message.
    """
    parsed = parse_object(body) or {}
    error = _error_object(parsed) or {"message": parsed.get("detail") or _plain(body)}
    hint = _hint(status, error)
    return APIStatusError(
        f"{where} responded {status}: {_message(error)}{f' ({hint})' if hint else ''}",
        status=status,
        code=_code(error),
        retry_after=retry_after(headers),
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
    )


def error_in_body(
    parsed: Mapping[str, Any],
    where: str,
    event: str = "message",
    redact: Callable[[bytes], bytes] = bytes,
) -> APIStatusError | None:
    """Return the error that an object within a 200 response reports, or `None` if it is no error.

    Three forms are in use: `{"error": {…}}`, the flat `{"object": "error", …}`, and `event: error`.

    Args:
        where: the address of the request, for the message.
        event: the event's name.
        redact: redacts the key in the error's message.
    """
    found = _error_object(parsed) or (dict(parsed) if event == "error" else None)
    if found is None:
        return None
    number = next((n for name in ("code", "status") if (n := _number(found.get(name)))), None)
    kind = str(found.get("type") or found.get("code") or "").lower()
    return APIStatusError(
        f"{where} broke off the stream with an error: {redact(_message(found).encode()).decode()}",
        status=number or 200,
        code=_code(found),
        should_retry=True if number is None and any(word in kind for word in _TRANSIENT) else None,
    )


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds to wait by `retry-after`: given in ms, in seconds, or as a date.

    Args:
        now: seconds since the epoch; if not given, from the clock.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if date is None:
        return None
    return max(0.0, email.utils.mktime_tz(date) - (time.time() if now is None else now))


def _error_object(parsed: Mapping[str, Any]) -> dict[str, Any] | None:
    error = parsed.get("error")
    if isinstance(error, dict):
        return error
    if error:
        return {"message": str(error)}
    return dict(parsed) if parsed.get("object") == "error" else None


def _message(found: Mapping[str, Any]) -> str:
    return str(found.get("message") or found.get("type") or "no error message")[:500]


def _hint(status: int, error: Mapping[str, Any]) -> str | None:
    """Return what the user can do about an error, if it is one that is known."""
    if status in (400, 413, 422) and _TOO_LONG.search(f"{error.get('code')} {_message(error)}"):
        return _TOO_LONG_HINT
    return _HINTS.get(status)


def _code(found: Mapping[str, Any]) -> str | None:
    word = found.get("code") or found.get("type")
    return None if word is None else str(word)


def _number(code: object) -> int | None:
    """Return the HTTP status in an error object, as a number or a string of digits."""
    digits = str(code)
    return int(digits) if digits.isdecimal() and 400 <= int(digits) < 600 else None


def _plain(body: bytes) -> str:
    text = " ".join(body[:2000].decode("utf-8", "replace").split())
    return text[:200] + ("…" if len(text) > 200 else "")
