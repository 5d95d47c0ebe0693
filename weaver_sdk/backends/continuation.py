"""What a chat server writes behind a text, without the text: some say it again before they go on."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace

from weaver_sdk.backends.base import Chunk, Prefill
from weaver_sdk.backends.logprobs import behind
from weaver_sdk.errors import APIStatusError

_log = logging.getLogger("weaver_sdk")

_PREFILL = re.compile(
    r"prefill|continue_final_message|add_generation_prompt|\bprefix\b|end with a user message", re.IGNORECASE
)
"""What an error speaks of that is about the prefill."""
_SURE = 16
"""Characters that nobody writes twice by chance. A shorter text may well go on as it began."""
_LINES = 16
"""How many of the last lines are looked at: a model that repeats more repeats all."""


class Continuation:
    """How one chat server is made to go on with a text: as it is known, and as it turns out."""

    def __init__(self, way: Prefill) -> None:
        self._way: Prefill = way

    async def stream(
        self, send: Callable[[Prefill], AsyncGenerator[Chunk, None]], prefix: str
    ) -> AsyncGenerator[Chunk, None]:
        """Stream what comes behind a text. A server that refuses the prefill is asked, from then on.

        Raises:
            BackendError: as `send` raises it.
        """
        while True:
            way = self._way
            try:
                async with aclosing(without_repeats(send(way), prefix, asked=way == "ask")) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except APIStatusError as error:
                if way == "ask" or error.status not in (400, 422) or not _PREFILL.search(str(error)):
                    raise
                _log.warning("the server refuses a prefill, so it is asked to go on from now on: %s", error)
                self._way = "ask"


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


def allowing_repeats(grammar: str, prefix: str) -> str:
    """Return a GBNF grammar that lets a model say the last one or two lines of a text again at first.

    A model that is asked to go on often does. Held to what comes behind the text alone, it would write
    whatever else the grammar allows.
    """
    lines = prefix.splitlines(keepends=True)[-2:]
    ends = dict.fromkeys("".join(lines[first:]) for first in range(len(lines)))
    again = " | ".join(json.dumps(end, ensure_ascii=False) for end in ends)
    return f"root ::= ({again})? continued\n" + re.sub(
        r"^root ::=", "continued ::=", grammar, flags=re.MULTILINE
    )


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
        if not self._possible or not (chunk.text or chunk.logprobs or self._held):
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
        unsaid = cut  # the same in tokens, which may be a chunk ahead of their text
        for chunk in held:
            kept = chunk
            if cut or (unsaid and chunk.logprobs):
                kept = replace(chunk, text=chunk.text[cut:], logprobs=behind(chunk.logprobs, unsaid))
            yield kept
            cut = max(0, cut - len(chunk.text))
            unsaid = max(0, unsaid - sum(len(one.token) for one in chunk.logprobs))


def _last_lines(text: str) -> set[str]:
    """Return the ends of a text that begin with a line, with and without the white space at its end."""
    lines = text.splitlines(keepends=True)[-_LINES:]
    ends = ["".join(lines[first:]) for first in range(len(lines))]
    return {end for end in (*ends, *map(str.rstrip, ends)) if len(end.strip()) > 1}
