"""A program as answers for readers are made: a plan on the side, a thread a section, and the answer written
in the sections' order while the threads still work."""

import json
from collections.abc import Callable, Iterable

from weaver_sdk import Scope
from weaver_sdk.runtime.watch import Piece, StopWatch

PLAN = {
    "type": "object",
    "properties": {
        "parts": {
            "type": "array",
            "minItems": 2,
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {"title": {"type": "string", "maxLength": 40}},
                "required": ["title"],
            },
        }
    },
    "required": ["parts"],
}


class Overheard(StopWatch):
    """Reads a text to its end, and tells what comes."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__((), "answer")
        self._told = told

    def feed(self, text: str) -> Iterable[Piece]:
        self._told(text)
        return super().feed(text)


class Sections:
    """Text of several sections, written on a line in order: a later one when those before it have ended."""

    def __init__(self, line: Scope, titles: list[str]) -> None:
        self._line = line
        self._held = [f"\n\n## {title}\n\n" for title in titles]
        self._held[0] = self._held[0].lstrip()
        self._ended = [False] * len(titles)
        self._at = 0
        self._flush()

    def add(self, place: int, text: str, *, ended: bool = False) -> None:
        self._held[place] += text
        self._ended[place] = ended
        self._flush()

    def _flush(self) -> None:
        while self._at < len(self._held):
            self._line.write(self._held[self._at])
            self._held[self._at] = ""
            if not self._ended[self._at]:
                return
            self._at += 1


async def by_sections(scope: Scope) -> None:
    """Plan, fork, and write the answer while the threads write."""
    question = scope.messages[-1]["content"]
    asked = f'{question}\nName two to four sections of the answer, as JSON: {{"parts": [{{"title": …}}]}}'
    plan = await scope.ask(asked, phase="plan", schema=PLAN, max_tokens=120, keep=False)
    titles = [part["title"] for part in json.loads(plan.text)["parts"]]
    sections = Sections(scope, titles)

    async def work(one: Scope, place: int) -> None:
        asked = f"{question}\nWrite only the section {titles[place]!r}, in one paragraph."
        await one.ask(asked, stop=Overheard(lambda text: sections.add(place, text)), max_tokens=120)
        sections.add(place, "", ended=True)

    await scope.fork(range(len(titles)), work, label=lambda place: titles[place], join="")
