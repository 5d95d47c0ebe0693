"""What a question asks for: its text, and the parts that an answer must hold. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Named:
    """A part that can be told by its name: a day of a trip, one of the things compared, one of three e-mails.

    It is present if at least `words` words are said about it; its heading alone is not enough.
    """

    name: str
    sign: str = ""
    """A regular expression, searched without regard to case; the name itself if not given."""
    words: int = 15


@dataclass(frozen=True)
class Function:
    """A Python function or class: present if it can be parsed and does something."""

    name: str
    sign: str = ""
    """A regular expression for its whole name, if the question leaves the name open."""


@dataclass(frozen=True)
class Statement:
    """An SQL statement: present if one statement of the answer's code holds all of the signs."""

    name: str
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One of several alike, such as five tips: the n-th is present if n items have at least `words` words."""

    number: int
    words: int = 8


@dataclass(frozen=True)
class Entry:
    """One object of a JSON list: the n-th is present if the list parses and n objects have all the keys."""

    number: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """An answer of one piece: present if it has the sign anywhere, and at least `words` words."""

    sign: str = r"\w"
    words: int = 1


Part = Named | Function | Statement | Item | Entry | Whole


@dataclass(frozen=True)
class Question:
    """A question and its checklist."""

    id: str
    text: str
    parts: tuple[Part, ...]

    @property
    def group(self) -> Literal["3 or more parts", "2 parts", "one piece"]:
        """Which row of the summary it belongs to."""
        return (
            "3 or more parts" if len(self.parts) > 2 else "2 parts" if len(self.parts) == 2 else "one piece"
        )
