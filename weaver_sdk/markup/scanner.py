"""Tags in a stream: the one place where text becomes tags, for every reader of this package.

What is reported does not depend on how the text is cut into chunks, and the time is linear in the text.

A tag is read in any letter case, since models vary it; `Tag.exact` says whether it is spelled as in the
dialect. White space inside (`</ Thread >`) makes it plain text, and so does escaping: `&lt;Thread&gt;`, or
one backslash before the tag (after two it is a tag: LaTeX ends lines with two).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from weaver_sdk.markup.dialect import Dialect, TagName


@dataclass(frozen=True, slots=True)
class Text:
    """A stretch of text without a tag; two of them may follow one another."""

    text: str
    start: int
    """Offset in the whole stream, in characters."""

    @property
    def end(self) -> int:
        """Offset just after the text."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of the dialect."""

    name: TagName
    closing: bool
    text: str
    """As written."""
    start: int
    """Offset in the whole stream, in characters."""
    exact: bool
    """Whether its letter case is the dialect's."""

    @property
    def end(self) -> int:
        """Offset just after the tag."""
        return self.start + len(self.text)


Token = Text | Tag


@dataclass(frozen=True, slots=True)
class _Spellings:
    """A dialect's tags, prepared for the scanner."""

    pattern: re.Pattern[str]
    meanings: dict[str, tuple[TagName, bool, str]]
    """Tag in lower case -> its name, whether it closes, and its own spelling."""
    beginnings: frozenset[str]
    """Every proper beginning of a tag, in lower case."""
    longest: int


@lru_cache(maxsize=64)
def _spellings(dialect: Dialect) -> _Spellings:
    meanings: dict[str, tuple[TagName, bool, str]] = {}
    for name, (opening, closing) in dialect.tags().items():
        meanings[opening.lower()] = (name, False, opening)
        meanings[closing.lower()] = (name, True, closing)
    return _Spellings(
        # ASCII: without it, letter case would fold a Kelvin sign to k and a long s to s
        pattern=re.compile(
            rf"(?<!(?<!\\)\\)(?:{'|'.join(map(re.escape, meanings))})", re.IGNORECASE | re.ASCII
        ),
        meanings=meanings,
        beginnings=frozenset(tag[:cut] for tag in meanings for cut in range(1, len(tag))),
        longest=max(map(len, meanings)),
    )


class Scanner:
    """Reads one stream, chunk by chunk.

    It holds back only what may still become a tag, at most one character less than the longest tag; all other
    text is returned at once.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._spellings = _spellings(dialect)
        self._before = ""  # the latest text: its last two characters show whether a tag is escaped
        self._held = ""
        self._start = 0  # offset of the next token

    def feed(self, chunk: str) -> list[Token]:
        """Return the tokens that are certain after `chunk`."""
        if not self._held and "<" not in chunk:  # by far the most common case
            return self._plain(chunk)
        text = self._held + chunk
        cut = len(text) - self._unfinished(text)
        self._held = text[cut:]
        return self._split(text[:cut])

    def close(self) -> list[Token]:
        """Return what is left when the stream has ended: an unfinished tag is text."""
        held, self._held = self._held, ""
        return self._plain(held)

    def _unfinished(self, text: str) -> int:
        """Return how many characters at the end of `text` may still become a tag."""
        # every tag begins with its only "<", so nothing before the last one is open
        bracket = text.rfind("<", max(0, len(text) - self._spellings.longest + 1))
        if bracket < 0:
            return 0
        rest = text[bracket:]
        return len(rest) if rest.isascii() and rest.lower() in self._spellings.beginnings else 0

    def _plain(self, text: str) -> list[Token]:
        """Return text that holds no tag as a token."""
        if not text:
            return []
        start, self._start = self._start, self._start + len(text)
        self._before = text if len(text) > 1 else self._before[-1:] + text
        return [Text(text, start)]

    def _split(self, text: str) -> list[Token]:
        """Return the tokens of text that no later chunk can change."""
        if ">" not in text:
            return self._plain(text)
        before = self._before[-2:]
        text, base, done = before + text, self._start - len(before), len(before)
        tokens: list[Token] = []
        for match in self._spellings.pattern.finditer(text, done):
            if match.start() > done:
                tokens.append(Text(text[done : match.start()], base + done))
            written = match.group()
            name, closing, own = self._spellings.meanings[written.lower()]
            tokens.append(Tag(name, closing, written, base + match.start(), written == own))
            done = match.end()
        if len(text) > done:
            tokens.append(Text(text[done:], base + done))
        self._before, self._start = text[-2:], base + len(text)
        return tokens


def scan(text: str, dialect: Dialect) -> list[Token]:
    """Return the tokens of a whole text."""
    scanner = Scanner(dialect)
    return scanner.feed(text) + scanner.close()


def has_escaped_tags(text: str, dialect: Dialect) -> bool:
    """Whether the text holds a block's tags in escaped form, which every reader treats as plain text.

    It explains a run that did not fork: the server or the model wrote `&lt;Thread&gt;`, `\\<Thread>`,
    `\\u003cThread\\u003e` or `<\\/Thread>`.
    """
    return _escaped(dialect).search(text) is not None


@lru_cache(maxsize=64)
def _escaped(dialect: Dialect) -> re.Pattern[str]:
    name = "|".join(re.escape(pair[0][1:-1]) for role, pair in dialect.tags().items() if role != "think")
    opening = r"(?:&lt;|&#0*60;|&#x0*3c;|\\u003c|\\<)"
    closing = r"(?:&gt;|&#0*62;|&#x0*3e;|\\u003e|\\?>)"
    escaped = rf"{opening}\\?/?(?:{name}){closing}|<\\/(?:{name}){closing}"
    return re.compile(escaped, re.IGNORECASE | re.ASCII)
