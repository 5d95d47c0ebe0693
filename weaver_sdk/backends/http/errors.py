"""What a server's answer says when it is not a completion: which error, and when to come back."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from weaver_sdk.errors import APIStatusError

_TRANSIENT = ("server_error", "internal", "overloaded", "unavailable", "rate_limit", "timeout")
"""Words in the type of an error inside a 200 that mean: the same request may do better later."""

_HINTS = {
    401: "check the API key (api_key=, or OPENAI_API_KEY)",
    403: "the API key may not use this model or address",
    404: "check the base_url (it usually ends in /v1) and the model's name",
    429: "the server limits the rate: lower max_concurrency, or wait",
}


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object that the bytes hold, or `None` if they hold anything else."""
    try:
        told = from_json(data)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def status_error(status: int, headers: Mapping[str, str], body: bytes, where: str) -> APIStatusError:
    """Make the error of an answer by its HTTP status.

    Args:
        body: what it says, already without the key.
        where: the address that answered, for the message.
    """
    told = parse_object(body) or {}
    found = _error_object(told) or {"message": told.get("detail") or _plain(body)}
    hint = f" ({_HINTS[status]})" if status in _HINTS else ""
    return APIStatusError(
        f"{where} answered {status}: {_message(found)}{hint}",
        status=status,
        code=_code(found),
        retry_after=retry_after(headers),
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
    )


def error_in_answer(
    told: Mapping[str, Any],
    where: str,
    event: str = "message",
    hide: Callable[[bytes], bytes] = bytes,
) -> APIStatusError | None:
    """Return the error that an object inside a 200 stands for, or `None` if it is no error.

    Three forms are in use: `{"error": {…}}`, the flat `{"object": "error", …}`, and `event: error`.

    Args:
        where: the address that answered, for the message.
        event: the event's name.
        hide: blots out the key in what the server says.
    """
    found = _error_object(told) or (dict(told) if event == "error" else None)
    if found is None:
        return None
    number = next((n for name in ("code", "status") if (n := _number(found.get(name)))), None)
    kind = str(found.get("type") or found.get("code") or "").lower()
    return APIStatusError(
        f"{where} broke off with an error: {hide(_message(found).encode()).decode()}",
        status=number or 200,
        code=_code(found),
        should_retry=True if number is None and any(word in kind for word in _TRANSIENT) else None,
    )


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that the server asked us to wait: in ms, in seconds, or until a date.

    Args:
        now: seconds since the epoch; the clock's where not given.
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


def _error_object(told: Mapping[str, Any]) -> dict[str, Any] | None:
    error = told.get("error")
    if isinstance(error, dict):
        return error
    if error:
        return {"message": str(error)}
    return dict(told) if told.get("object") == "error" else None


def _message(found: Mapping[str, Any]) -> str:
    return str(found.get("message") or found.get("type") or "it does not say what is wrong")[:500]


def _code(found: Mapping[str, Any]) -> str | None:
    word = found.get("code") or found.get("type")
    return None if word is None else str(word)


def _number(code: object) -> int | None:
    """Return an HTTP status that stands in an error object, as a number or in digits."""
    digits = str(code)
    return int(digits) if digits.isdecimal() and 400 <= int(digits) < 600 else None


def _plain(body: bytes) -> str:
    text = " ".join(body[:2000].decode("utf-8", "replace").split())
    return text[:200] + ("…" if len(text) > 200 else "")
