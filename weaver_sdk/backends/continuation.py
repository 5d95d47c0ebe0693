"""What a chat server writes behind a text, without the text: some say it again before they go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from weaver_sdk.backends.base import Chunk

_SURE = 16
"""Characters that nobody writes twice by chance. A shorter text may well go on as it began."""
_LINES = 16
"""How many of the last lines are looked at: a model that repeats more repeats all."""


async def without_repeats(
    chunks: AsyncGenerator[Chunk, None], prefix: str, *, asked: bool
) -> AsyncGenerator[Chunk, None]:
    """Pass a stream on, without the text so far at its beginning, however that was cut into chunks.

    Args:
        prefix: the text so far.
        asked: whether the model was asked to go on, and so may repeat only the last lines, or begin them
            with white space of its own. A server that was told to continue repeats all or nothing.
    """
    repeats = _Repeats(prefix, asked=asked)
    async with aclosing(chunks):
        async for chunk in chunks:
            for passed in repeats.feed(chunk):
                yield passed
        for passed in repeats.release():
            yield passed


class _Repeats:
    """Holds a stream back for as long as it may be a repetition."""

    def __init__(self, prefix: str, *, asked: bool) -> None:
        possible = {prefix} if len(prefix) >= _SURE else set[str]()
        if asked:  # white space at the beginning is overlooked on both sides
            possible = {text.lstrip() for text in possible | _last_lines(prefix)}
        self._possible = sorted(possible, key=len, reverse=True)
        self._asked = asked
        self._held: list[Chunk] = []

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """Take the next chunk and yield what is certain."""
        if not self._possible or not (chunk.text or self._held):
            yield chunk
            return
        self._held.append(chunk)
        text = "".join(held.text for held in self._held)
        new = text.lstrip() if self._asked else text
        undecided = any(len(p) > len(new) and p.startswith(new) for p in self._possible)
        if undecided and chunk.finish_reason is None:
            return
        repeated = next((p for p in self._possible if new.startswith(p)), None)
        yield from self.release(0 if repeated is None else len(text) - len(new) + len(repeated))

    def release(self, cut: int = 0) -> Iterator[Chunk]:
        """Yield what was held, without so many characters at its beginning; nothing is held from now on."""
        held, self._held, self._possible = self._held, [], []
        for chunk in held:
            yield replace(chunk, text=chunk.text[cut:]) if cut else chunk
            cut = max(0, cut - len(chunk.text))


def _last_lines(text: str) -> set[str]:
    """Return the ends of a text that begin with a line, with and without the white space at its end."""
    lines = text.splitlines(keepends=True)[-_LINES:]
    ends = ["".join(lines[first:]) for first in range(len(lines))]
    return {end for end in (*ends, *map(str.rstrip, ends)) if len(end.strip()) > 1}
