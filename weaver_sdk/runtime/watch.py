"""Where a completion ends: the text is read as it streams, and cut where it is to stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.result import Outcome, Phase

Piece = tuple[Phase, str]
"""Text, and what it is for."""


class Mark(Protocol):
    """What ended a text."""

    @property
    def text(self) -> str:
        """The stop string, as it was written."""
        ...

    @property
    def outcome(self) -> Outcome:
        """How a completion that ends so came out."""
        ...


@runtime_checkable
class Watch(Protocol):
    """Reads the text of one completion as it streams. What it finds must not depend on how text was cut."""

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings that the server is sent."""
        ...

    @property
    def ended(self) -> Mark | None:
        """What ended the text, once that was found in it; what follows is not read."""
        ...

    def feed(self, text: str) -> Iterable[Piece]:
        """Take new text; return what of it is settled."""
        ...

    def close(self) -> Iterable[Piece]:
        """Return what was held back, at the end of the stream."""
        ...

    def stopped(self, matched: str | None, *, sure: bool) -> Mark | None:
        """Return what ended a text of which the server says "stop"; `None` for the end of the sequence.

        Args:
            matched: the stop string that the server says it was.
            sure: whether the server always says which it was.
        """
        ...


@dataclass(frozen=True)
class StopFound:
    """A stop string that ended a text."""

    text: str
    outcome: Outcome = "done"


class StopWatch:
    """Ends a text before the first of some strings.

    Args:
        stops: the strings; none of them: the text goes on to its end.
        phase: what the text is for.
    """

    def __init__(self, stops: Sequence[str], phase: Phase) -> None:
        self.stops = tuple(stops)
        self.ended: StopFound | None = None
        self._phase: Phase = phase
        self._held = ""

    def feed(self, text: str) -> Iterable[Piece]:
        """Take new text; return it up to a stop string, or to what may become one."""
        if not self.stops:
            return ((self._phase, text),)
        text, self._held = self._held + text, ""
        found = [(at + len(stop), at, stop) for stop in self.stops if (at := text.find(stop)) >= 0]
        if found:
            _, at, stop = min(found)  # the first that is whole, for that is known however the text was cut
            self.ended = StopFound(stop)
            text = text[:at]
        else:
            held = max(_beginning(text, stop) for stop in self.stops)
            if held:
                text, self._held = text[:-held], text[-held:]
        return ((self._phase, text),) if text else ()

    def close(self) -> Iterable[Piece]:
        """Return what might have become a stop string."""
        held, self._held = self._held, ""
        return ((self._phase, held),) if held else ()

    def stopped(self, matched: str | None, *, sure: bool) -> StopFound | None:
        """Return the stop string that the server names."""
        return StopFound(matched) if matched in self.stops else None


Stop = Sequence[str] | Watch
"""What ends a text: strings, or what reads it as it streams."""


def watch_for(stop: Stop, phase: Phase) -> Watch:
    """Return what reads a text and ends it.

    Raises:
        ConfigurationError: `stop` is a single string, which is a sequence of its letters too.
    """
    if isinstance(stop, str):
        raise ConfigurationError(f"stop={stop!r}: give a list of strings, such as [{stop!r}]")
    return stop if isinstance(stop, Watch) else StopWatch(stop, phase)


def _beginning(text: str, stop: str) -> int:
    """Return how many characters at the end of a text a stop string may begin with."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
