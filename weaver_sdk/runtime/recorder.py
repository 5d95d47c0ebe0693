"""The clocks and counts of a run, and the one way out for its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from weaver_sdk.backends.base import Retry, Usage
from weaver_sdk.events import Event, Repaired, Retried
from weaver_sdk.result import NoForkReason, Repair, RepairKind
from weaver_sdk.telemetry.measures import known_sum


@dataclass
class _Counts:
    requests: int = 0
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None


class Recorder:
    """Notes what happens in one run. Times are seconds since the run began, on a monotonic clock."""

    def __init__(self, run_id: str, listeners: Sequence[Callable[[Event], None]] = ()) -> None:
        self.run_id = run_id
        self.repairs: list[Repair] = []
        self.retries = 0
        self.models: dict[str, _Counts] = {}
        """What was counted for each model."""
        self.first_token: float | None = None
        self.first_answer: float | None = None
        """When the first text of the answer came."""
        self.no_fork_reason: NoForkReason | None = None
        """Why the run does not fork, in its strategy's own word."""
        self.drift_tokens: int | None = None
        self.warm_requests = 0
        self.warm_prefill_tokens: int | None = None
        self._began = time.monotonic()
        self._listeners = list(listeners)
        self._raised: list[BaseException] = []

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._began

    @property
    def listened_to(self) -> bool:
        """Whether anybody wants events."""
        return bool(self._listeners)

    def emit(self, event: Callable[..., Event], **fields: Any) -> None:
        """Make an event with the run's id and the time, and let it out, where somebody listens.

        What a listener raises ends the run, and it is not called again.
        """
        if not self._listeners:
            return
        made = event(run_id=self.run_id, at=self.now(), **fields)
        for listener in tuple(self._listeners):
            try:
                listener(made)
            except BaseException as error:
                self._listeners.remove(listener)
                self._raised.append(error)
                raise

    def raised_by_listener(self, error: BaseException) -> bool:
        """Return whether an error is a listener's own: a `BackendError` of one says nothing of the run's."""
        return any(error is raised for raised in self._raised)

    def wrote(self) -> None:
        """Note that text arrived."""
        if self.first_token is None:
            self.first_token = self.now()

    @property
    def requests(self) -> int:
        """All requests of the run."""
        return sum(counts.requests for counts in self.models.values())

    @property
    def prompt_tokens(self) -> int | None:
        """Input tokens of all requests; `None` if no server reports any."""
        return known_sum(counts.prompt_tokens for counts in self.models.values())

    @property
    def cached_prompt_tokens(self) -> int | None:
        """Of `prompt_tokens`, prefix-cache hits; `None` if no server reports any."""
        return known_sum(counts.cached_prompt_tokens for counts in self.models.values())

    def sent(self, model: str = "main") -> None:
        """Note that a request left for a model."""
        self.models.setdefault(model, _Counts()).requests += 1

    def used(self, usage: Usage | None, model: str = "main") -> None:
        """Add a finished request's input tokens; a request without usage adds nothing."""
        if usage is None:
            return
        counts = self.models.setdefault(model, _Counts())
        counts.requests += usage.requests - 1
        counts.prompt_tokens = known_sum([counts.prompt_tokens, usage.prompt_tokens])
        counts.cached_prompt_tokens = known_sum([counts.cached_prompt_tokens, usage.cached_prompt_tokens])

    def warming(self) -> None:
        """Note that a request is sent ahead of a join."""
        self.sent()
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
                "resumed_stream", f"went on after the text that had arrived ({retry.reason})", place
            )
