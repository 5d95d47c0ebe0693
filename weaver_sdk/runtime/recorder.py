"""The clocks and counts of a run, and the one way out for its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from weaver_sdk.backends.base import Retry, Usage
from weaver_sdk.events import Event, Repaired, Retried
from weaver_sdk.result import Repair, RepairKind


class Recorder:
    """Notes what happens in one run. Times are seconds since the run began, on a monotonic clock."""

    def __init__(self, run_id: str, listeners: Sequence[Callable[[Event], None]] = ()) -> None:
        self.run_id = run_id
        self.repairs: list[Repair] = []
        self.requests = 0
        self.retries = 0
        self.prompt_tokens: int | None = None
        self.cached_prompt_tokens: int | None = None
        self.first_token: float | None = None
        self.drift_tokens: int | None = None
        self.warm_requests = 0
        self.warm_prefill_tokens: int | None = None
        self._began = time.monotonic()
        self._listeners = list(listeners)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._began

    def emit(self, event: Callable[..., Event], **fields: Any) -> None:
        """Make an event with the run's id and the time, and let it out, where somebody listens.

        What a listener raises ends the run, and it is not called again.
        """
        if not self._listeners:
            return
        told = event(run_id=self.run_id, at=self.now(), **fields)
        for listener in tuple(self._listeners):
            try:
                listener(told)
            except BaseException:
                self._listeners.remove(listener)
                raise

    def wrote(self) -> None:
        """Note that text arrived."""
        if self.first_token is None:
            self.first_token = self.now()

    def used(self, usage: Usage | None) -> None:
        """Add a finished request's input tokens; a request that does not tell adds nothing."""
        if usage is None:
            return
        self.requests += usage.requests - 1
        if usage.prompt_tokens is not None:
            self.prompt_tokens = (self.prompt_tokens or 0) + usage.prompt_tokens
        if usage.cached_prompt_tokens is not None:
            self.cached_prompt_tokens = (self.cached_prompt_tokens or 0) + usage.cached_prompt_tokens

    def warming(self) -> None:
        """Note that a request is sent ahead of a join."""
        self.requests += 1
        self.warm_requests += 1

    def warmed(self, usage: Usage | None) -> None:
        """Add the input tokens of a request that was sent ahead of a join."""
        self.used(usage)
        if usage is not None and None not in (usage.prompt_tokens, usage.cached_prompt_tokens):
            computed = (usage.prompt_tokens or 0) - (usage.cached_prompt_tokens or 0)
            self.warm_prefill_tokens = (self.warm_prefill_tokens or 0) + computed

    def repaired(self, kind: RepairKind, done: str, place: tuple[int, int | None] | None = None) -> None:
        """Note something that was mended, and where."""
        fork, thread = place if place is not None else (None, None)
        repair = Repair(kind=kind, done=done, fork=fork, thread=thread)
        self.repairs.append(repair)
        self.emit(Repaired, repair=repair)

    def retried(self, retry: Retry, place: tuple[int, int] | None) -> None:
        """Note that a request is sent again; one that had brought text is a repair as well."""
        self.retries += 1
        fork, thread = place if place is not None else (None, None)
        self.emit(
            Retried,
            attempt=retry.attempt,
            delay=retry.delay,
            reason=retry.reason,
            fork=fork,
            thread=thread,
        )
        if retry.resumed:
            self.repaired(
                "resumed_stream", f"went on behind the text that had arrived ({retry.reason})", place
            )
