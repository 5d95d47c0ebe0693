"""The main line as it is shown: reasoning line by line, the answer whole, of a plan that there is one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from weaver_sdk.events import SegmentDelta, ThreadDelta
from weaver_sdk.result import Phase

_LONG_LINE = 4_000  # characters without a newline after which a line is let go
_TAG = re.compile(r"</?\w+>")
_TITLE = re.compile(r'"title"\s*:\s*"((?:[^"\\]|\\.)*)"')


def plans(event: SegmentDelta | ThreadDelta) -> bool:
    """Return whether a model is dividing its work: markup without words is no plan yet."""
    if event.phase != "plan" or not event.kept:
        return event.phase == "plan"
    text = event.reasoning or event.text
    return bool((_TAG.sub("", text) if "<" in text else text).strip())


@dataclass(slots=True)
class MainLine:
    """What of the main line is not settled. Linear in the text, whatever the chunks."""

    dividing: bool = False
    """The newest text divides the work."""
    answering: bool = False
    """The newest text is the answer's."""
    _line: str = ""
    _beside: bool = False  # `_line` came beside the text, in a field of its own
    _answer: list[str] = field(default_factory=list)
    _tail: str = ""
    _requests: dict[int, Phase] = field(default_factory=dict)  # those that are open
    _plan: str = ""

    @property
    def planning(self) -> bool:
        """A model is dividing the work, or has been asked to."""
        return self.dividing or "plan" in self._requests.values()

    @property
    def asking(self) -> bool:
        """A model has been asked to write something here."""
        return bool(self._requests)

    @property
    def titles(self) -> list[str]:
        """What a plan names so far, where it is written as JSON with titles."""
        return [title.replace('\\"', '"') for title in _TITLE.findall(self._plan)]

    @property
    def answer(self) -> str:
        """The answer as far as it has come."""
        return "".join(self._answer)

    @property
    def shown(self) -> str:
        """The end of what is not settled, as it can be shown while it grows."""
        return self._tail if self.answering else self._line

    def request(self, number: int, phase: Phase) -> None:
        """Note that a request was sent."""
        if phase == "plan":
            self._plan = ""
        self._requests[number] = phase
        self.dividing = False

    def requested(self, number: int) -> None:
        """Note that a request has ended."""
        self._requests.pop(number, None)

    def planned(self) -> None:
        """Note that the plan is ready."""
        self.dividing, self._plan = False, ""

    def add(self, event: SegmentDelta) -> str:
        """Take new text; return the lines of reasoning that are now settled, or an empty string."""
        if event.phase == "plan":
            if not event.kept:
                self._plan = (self._plan + event.text)[:_LONG_LINE]
            if self.dividing or not plans(event):
                return ""
            settled = self.close()
            self.dividing = True
            return settled
        if not event.kept:
            return ""  # a question on the side
        settled = self._reason(event.reasoning, beside=True) if event.reasoning else ""
        if event.text and event.phase == "answer":
            settled += self.close()
            self.say(event.text)
        elif event.text:
            settled += self._reason(event.text, beside=False)
        return settled

    def say(self, text: str) -> None:
        """Take text of the answer."""
        if text:
            self.dividing, self.answering = False, True
            self._answer.append(text)
            self._tail = (self._tail + text)[-_LONG_LINE:]

    def close(self) -> str:
        """Return the line of reasoning that has not come to its end: something else begins."""
        line, self._line, self.dividing = self._line, "", False
        return line if not line or line.endswith("\n") else line + "\n"

    def _reason(self, text: str, *, beside: bool) -> str:
        settled = self.close() if beside is not self._beside else ""
        self.dividing, self.answering, self._beside = False, False, beside
        lines, newline, line = (self._line + text).rpartition("\n")
        pieces, at = [settled, lines, newline], 0
        while len(line) - at > _LONG_LINE:
            cut = line.rfind(" ", at, at + _LONG_LINE) + 1 or at + _LONG_LINE
            pieces += line[at:cut], "\n"
            at = cut
        self._line = line[at:]
        return "".join(pieces)
