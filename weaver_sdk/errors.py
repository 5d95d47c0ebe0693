"""Errors a user can act on: what failed, where, and what to do.

    WeaverError
    ├── ConfigurationError      an argument or setting is wrong or contradicts another
    ├── QuestionOutOfRange      the packaged model was never trained on such a question
    ├── BackendError            a completion failed at the server
    │   ├── APIStatusError      the server answered with an error (an HTTP status, or one inside a 200)
    │   ├── ConnectionFailed    no connection, or it broke before the response was complete
    │   ├── IdleTimeout         the connection stayed open but silent for too long
    │   ├── TruncatedStream     the stream ended without a finish reason or [DONE]
    │   └── ProtocolError       the server's response does not follow the protocol
    ├── EngineError             a server that we start ourselves
    │   ├── EngineNotInstalled  the package of the engine is missing
    │   └── EngineStartFailed   the engine did not become ready
    ├── BudgetError             a budget that cannot be kept, such as a negative limit
    └── MarkupError             text that is not well-formed, if the caller asked for the strict form

A bad *thread* raises none of these: it is closed and joined, and noted as a `Repair` in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weaver_sdk.result import Result


class WeaverError(Exception):
    """The root of every error that this package raises on purpose."""

    result: Result | None = None
    """What the run had done when it failed; `None` if no run did. Finished work is never lost."""


def partial_result(error: BaseException) -> Result | None:
    """Return what a run had done, from the exception that ended it; `None` if it ended no run.

    `asyncio.wait_for` raises its own `TimeoutError`, whose cause is the run's cancellation; so causes and
    contexts are searched too.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if (result := getattr(one, "result", None)) is not None:
            found: Result = result
            return found
        waiting += [one.__cause__, one.__context__]
    return None


class ConfigurationError(WeaverError):
    """An argument or setting is wrong, missing, or contradicts another."""


class QuestionOutOfRange(WeaverError):
    """A question that the packaged model was never trained on: it would answer with a wrong number."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """Why it is outside of the range, in words."""


class BackendError(WeaverError):
    """A completion failed at the server."""

    retryable = False


class APIStatusError(BackendError):
    """The server answered with an error: by HTTP status, or by an error object inside a 200."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; for an error inside a 200, the error object's code, else 200."""
        self.code = code
        """The server's error code, such as "rate_limit_exceeded"."""
        self.retry_after = retry_after
        """Seconds that the server asked us to wait; `None` if it did not."""
        self.retryable = (
            should_retry if should_retry is not None else status in {408, 409, 429} or status >= 500
        )


class ConnectionFailed(BackendError):
    """No connection to the server, or it broke before the response was complete."""

    retryable = True


class IdleTimeout(BackendError):
    """The connection stayed open, but nothing arrived within the idle timeout."""

    retryable = True


class TruncatedStream(BackendError):
    """The stream ended without a finish reason and without [DONE]."""

    retryable = True


class ProtocolError(BackendError):
    """The response does not follow the completions protocol: HTML, broken JSON, a wrong shape."""


class EngineError(WeaverError):
    """A server that we start ourselves failed."""


class EngineNotInstalled(EngineError):
    """The package that holds the engine is not installed; the message names the extra."""


class EngineStartFailed(EngineError):
    """The engine did not become ready; the message holds the last lines of its log."""


class BudgetError(WeaverError):
    """A budget that cannot be kept, such as a negative limit."""


class MarkupError(WeaverError):
    """Text that is not well-formed markup; raised only if the caller asked for the strict form."""
