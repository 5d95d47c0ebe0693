"""The continuation of a text by a chat server, without the text that some repeat before they continue."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace

from weaver_sdk.backends.base import Chunk, Prefill
from weaver_sdk.backends.logprobs import skip_characters
from weaver_sdk.errors import APIStatusError

_log = logging.getLogger("weaver_sdk")

_PREFILL = re.compile(
    r"prefill|continue_final_message|add_generation_prompt|\bprefix\b|end with a user message", re.IGNORECASE
)
"""Matches errors that are about the prefill."""
_MIN_REPEATED = 16
"""Characters: a repetition of a shorter text may be chance, and is not removed."""
_MAX_LINES = 16
"""How many last lines may be repeated: a model that repeats more repeats the whole text."""


class Continuation:
    """How one chat server continues a text: as configured, until it refuses."""

    def __init__(self, way: Prefill) -> None:
        self._way: Prefill = way

    async def stream(
        self, send: Callable[[Prefill], AsyncGenerator[Chunk, None]], prefix: str
    ) -> AsyncGenerator[Chunk, None]:
        """Stream the continuation of a text. After a refused prefill, a user turn asks instead.

        Raises:
            BackendError: raised by `send`.
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
                _log.warning(
                    "the server refuses a prefill; from now on a user turn asks it to continue: %s", error
                )
                self._way = "ask"


async def without_repeats(
    chunks: AsyncGenerator[Chunk, None], prefix: str, *, asked: bool
) -> AsyncGenerator[Chunk, None]:
    """Pass a stream on without a repetition of the text so far at its start, across chunk boundaries.

    Args:
        prefix: the text so far.
        asked: whether a turn asked the model to continue. It may then repeat only the last lines, and add
            white space before them. With a prefill a server repeats all or nothing.
    """
    repeats = _Repeats(prefix, asked=asked)
    async with aclosing(chunks):
        async for chunk in chunks:
            for passed in repeats.feed(chunk):
                yield passed
        for passed in repeats.release():
            yield passed


def allowing_repeats(grammar: str, prefix: str) -> str:
    """Return a GBNF grammar that also allows a model to repeat the last one or two lines of a text first.

    A model that is asked to continue often does. If the grammar allowed only the continuation, the model
    would be forced into some other text that the grammar allows.
    """
    lines = prefix.splitlines(keepends=True)[-2:]
    ends = dict.fromkeys("".join(lines[first:]) for first in range(len(lines)))
    again = " | ".join(json.dumps(end, ensure_ascii=False) for end in ends)
    return f"root ::= ({again})? continued\n" + re.sub(
        r"^root ::=", "continued ::=", grammar, flags=re.MULTILINE
    )


class _Repeats:
    """Buffers a stream for as long as it may be a repetition."""

    def __init__(self, prefix: str, *, asked: bool) -> None:
        possible = {prefix} if len(prefix) >= _MIN_REPEATED else set[str]()
        if asked:  # leading white space is ignored on both sides
            possible = {text.lstrip() for text in possible | _last_lines(prefix)}
        self._possible = sorted(possible, key=len, reverse=True)
        self._asked = asked
        self._buffered: list[Chunk] = []

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """Take the next chunk and yield what is decided."""
        if not self._possible or not (chunk.text or chunk.logprobs or self._buffered):
            yield chunk
            return
        self._buffered.append(chunk)
        text = "".join(buffered.text for buffered in self._buffered)
        new = text.lstrip() if self._asked else text
        undecided = any(len(p) > len(new) and p.startswith(new) for p in self._possible)
        if undecided and chunk.finish_reason is None:
            return
        repeated = next((p for p in self._possible if new.startswith(p)), None)
        yield from self.release(0 if repeated is None else len(text) - len(new) + len(repeated))

    def release(self, cut: int = 0) -> Iterator[Chunk]:
        """Yield the buffered chunks without the first `cut` characters; buffering ends."""
        buffered, self._buffered, self._possible = self._buffered, [], []
        uncut = cut  # the same for logprobs, which may be a chunk ahead of their text
        for chunk in buffered:
            kept = chunk
            if cut or (uncut and chunk.logprobs):
                kept = replace(chunk, text=chunk.text[cut:], logprobs=skip_characters(chunk.logprobs, uncut))
            yield kept
            cut = max(0, cut - len(chunk.text))
            uncut = max(0, uncut - sum(len(one.token) for one in chunk.logprobs))


def _last_lines(text: str) -> set[str]:
    """Return the suffixes of a text that begin at a line, with and without trailing white space."""
    lines = text.splitlines(keepends=True)[-_MAX_LINES:]
    ends = ["".join(lines[first:]) for first in range(len(lines))]
    return {end for end in (*ends, *map(str.rstrip, ends)) if len(end.strip()) > 1}
