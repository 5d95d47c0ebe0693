"""Which parts of a question an answer holds, which of them twice, and which are cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.answers.attribution import said_about
from benchmarks.answers.ends import is_cut
from benchmarks.answers.layout import words
from benchmarks.answers.pieces import definition, entries, items, statements
from benchmarks.answers.question import Entry, Function, Item, Named, Part, Question, Statement, Whole

_SHINGLE = 5
"""Words that must be the same in a row to count as said again."""


@dataclass(frozen=True)
class Measured:
    """What one answer holds."""

    words: int
    asked: int
    """Parts asked for."""
    present: int
    missing: tuple[str, ...]
    """The names of the parts that are not there."""
    repeated: int
    """Parts of which more than half stands in another part too, or twice in itself. Code is left out: two
    classes may well begin alike."""
    cut: int
    """Parts that end in the middle of a sentence or of code."""


def measured(question: Question, answer: str) -> Measured:
    """Hold an answer against the checklist of its question."""
    texts = part_texts(question, answer)
    missing = tuple(name_of(part) for part, text in zip(question.parts, texts, strict=True) if text is None)
    said = [(part, text) for part, text in zip(question.parts, texts, strict=True) if text]
    prose = [text for part, text in said if isinstance(part, Named | Item)]
    no_code = [text for part, text in said if not isinstance(part, Function | Statement)]
    return Measured(
        words=words(answer),
        asked=len(question.parts),
        present=len(question.parts) - len(missing),
        missing=missing,
        repeated=sum(_repeated(no_code)),
        cut=max(sum(map(is_cut, prose)), int(is_cut(answer))),
    )


def name_of(part: Part) -> str:
    """Return what a part is called in a report."""
    if isinstance(part, Item | Entry):
        return f"{type(part).__name__.lower()} {part.number}"
    return "answer" if isinstance(part, Whole) else part.name


def part_texts(question: Question, answer: str) -> list[str | None]:
    """Return the text of each part, in the order of the question; `None` for one that is not there."""
    named = [part for part in question.parts if isinstance(part, Named)]
    said = said_about(answer, named)
    texts: list[str | None] = []
    for part in question.parts:
        match part:
            case Named():
                about = said[part.name]
                texts.append("\n".join(about.texts) if about.words >= part.words else None)
            case Function():
                texts.append(definition(answer, part.sign or re.escape(part.name)) or None)
            case Statement():
                texts.append(next((one for one in statements(answer) if _holds(one, part.signs)), None))
            case Item():
                found = items(answer, part.words)
                texts.append(found[part.number - 1] if len(found) >= part.number else None)
            case Entry():
                full = [one for one in entries(answer) if all(one.get(key) for key in part.keys)]
                texts.append(
                    " ".join(map(str, full[part.number - 1].values())) if len(full) >= part.number else None
                )
            case Whole():
                there = _holds(answer, (part.sign,)) and words(answer) >= part.words
                texts.append(answer if there else None)
    return texts


def _holds(text: str, signs: Sequence[str]) -> bool:
    return all(re.search(sign, text, re.IGNORECASE) for sign in signs)


def _repeated(texts: Sequence[str]) -> Iterator[bool]:
    """Yield for each text whether more than half of it is said elsewhere, or twice in it."""
    shingles = [_shingles(text) for text in texts]
    for index, own in enumerate(shingles):
        others: set[tuple[str, ...]] = set().union(
            *(set(one) for at, one in enumerate(shingles) if at != index)
        )
        again = sum(count for shingle, count in own.items() if count > 1 or shingle in others)
        yield again * 2 > own.total() > 0


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    told = re.findall(r"\w+", text.lower())
    return Counter(zip(*(told[start:] for start in range(_SHINGLE)), strict=False))
