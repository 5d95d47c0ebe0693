"""The main line as it is shown: reasoning line by line, the answer whole, of a plan that there is one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from weaver_sdk.events import SegmentDelta, ThreadDelta

_LONG_LINE = 4_000  # characters without a newline after which a line is let go
_TAG = re.compile(r"</?\w+>")


def plans(event: SegmentDelta | ThreadDelta) -> bool:
    """Return whether a model is dividing its work: markup without words is no plan yet."""
    if event.phase != "plan":
        return False
    text = event.reasoning or event.text
    return bool((_TAG.sub("", text) if "<" in text else text).strip())


@dataclass(slots=True)
class MainLine:
    """What of the main line is not settled. Linear in the text, whatever the chunks."""

    planning: bool = False
    """A model is dividing the work."""
    answering: bool = False
    """The newest text is the answer's."""
    _line: str = ""
    _beside: bool = False  # `_line` came beside the text, in a field of its own
    _answer: list[str] = field(default_factory=list)
    _tail: str = ""

    @property
    def answer(self) -> str:
        """The answer as far as it has come."""
        return "".join(self._answer)

    @property
    def shown(self) -> str:
        """The end of what is not settled, as it can be shown while it grows."""
        return self._tail if self.answering else self._line

    def add(self, event: SegmentDelta) -> str:
        """Take new text; return the lines of reasoning that are now settled, or an empty string."""
        if event.phase == "plan":
            if self.planning or not plans(event):
                return ""
            settled = self.close()
            self.planning = True
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
            self.planning, self.answering = False, True
            self._answer.append(text)
            self._tail = (self._tail + text)[-_LONG_LINE:]

    def close(self) -> str:
        """Return the line of reasoning that has not come to its end: something else begins."""
        line, self._line, self.planning = self._line, "", False
        return line if not line or line.endswith("\n") else line + "\n"

    def _reason(self, text: str, *, beside: bool) -> str:
        settled = self.close() if beside is not self._beside else ""
        self.planning, self.answering, self._beside = False, False, beside
        lines, newline, line = (self._line + text).rpartition("\n")
        pieces, at = [settled, lines, newline], 0
        while len(line) - at > _LONG_LINE:
            cut = line.rfind(" ", at, at + _LONG_LINE) + 1 or at + _LONG_LINE
            pieces += line[at:cut], "\n"
            at = cut
        self._line = line[at:]
        return "".join(pieces)
