"""Prefixes as tokens: what the model wrote goes back as it was written."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.runtime.play import ANSWER, OUTLINES, new_run, table
from weaver_sdk.backends.base import Chunk, CompletionRequest
from weaver_sdk.backends.tokens import TokenCache
from weaver_sdk.errors import APIStatusError
from weaver_sdk.markup import DIALECTS, THREADWEAVER
from weaver_sdk.options import Budget
from weaver_sdk.result import Result
from weaver_sdk.runtime.lines import text_of
from weaver_sdk.testing import Reply, ScriptedBackend

_PIECE = re.compile(r"</?[A-Za-z]+>|[a-z]{2}|.", re.DOTALL)
_IDS: dict[str, int] = {}


def number(piece: str) -> int:
    return _IDS.setdefault(piece, len(_IDS) + 1)


def cut(text: str) -> tuple[int, ...]:
    """What the tokenizer makes of a text: a tag is one token, and so are two letters in a row."""
    return tuple(number(piece) for piece in _PIECE.findall(text))


TAGS = {tag: cut(tag) for tag in (THREADWEAVER.outlines[1], THREADWEAVER.thread[1])}


class Lettered(ScriptedBackend):
    """A model that writes letter by letter, where its tokenizer takes two at once."""

    def __init__(self, answers: Any) -> None:
        super().__init__(answers, characters=1)
        self.inputs: list[tuple[int, ...]] = []
        self.asked: list[str] = []
        self._cache = TokenCache(self._cut)

    async def _cut(self, text: str) -> tuple[int, ...]:
        self.asked.append(text)
        return cut(text)

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        told = cut(request.text) if request.spans is None else tuple(await self._cache.of(request))
        self.inputs.append(told)
        if request.spans is not None:
            assert text_of(request.spans) == request.prefix
        yield Chunk(prompt_ids=told)
        async for chunk in super().stream(request):
            if chunk.finish_reason is None:
                yield Chunk(text=chunk.text, token_ids=(number(chunk.text),))
            else:  # a stop string is kept back from the text, and its token is told
                yield Chunk(token_ids=cut(chunk.matched_stop or ""))
                yield chunk


async def play_letters(answers: Any, prefix: str, **options: Any) -> tuple[Result, Lettered]:
    backend = Lettered(answers)
    run = new_run(backend, prefix=prefix, stop_tokens=TAGS, **options)
    return await run.execute(), backend


async def test_what_the_model_wrote_goes_back_as_it_was_written() -> None:
    result, backend = await play_letters(table(first=" abcd\n</Thread>"), "tokens")
    letters = tuple(map(number, " abcd\n"))
    assert str(letters)[1:-1] in str(backend.inputs[-1])
    assert result.telemetry.drift_tokens == 0


async def test_as_text_it_drifts_and_the_run_says_by_how_much() -> None:
    result, backend = await play_letters(table(first=" abcd\n</Thread>", second=" 12\n</Thread>"), "text")
    assert str(tuple(map(number, " abcd\n")))[1:-1] not in str(backend.inputs[-1])
    assert result.telemetry.drift_tokens is not None
    assert result.telemetry.drift_tokens >= len("abcd")
    assert all(request.spans is None for request in backend.requests)


async def test_both_ways_give_the_same_text() -> None:
    text, _ = await play_letters(table(), "text")
    tokens, _ = await play_letters(table(), "tokens")
    assert tokens.text == text.text


async def test_text_of_the_client_is_asked_for_once() -> None:
    _, backend = await play_letters(table(), "tokens")
    assert len(set(backend.asked)) == len(backend.asked)


@pytest.mark.parametrize(
    ("changes", "budget"),
    [
        ({"first": " ended by the end of the sequence"}, Budget()),
        ({"first": " one and so on", "second": " two and so on"}, Budget(thread_tokens=4)),
        ({"first": " one</think>"}, Budget()),
        ({"first": " one <thread>"}, Budget()),
        ({"second": Reply(error=APIStatusError("down", status=400))}, Budget()),
    ],
)
async def test_stretches_are_the_prefix_whatever_became_of_the_threads(
    changes: dict[str, Any], budget: Budget
) -> None:
    """`Lettered` holds it at every request."""
    result, backend = await play_letters(table(**changes), "tokens", budget=budget)
    assert len(backend.inputs) == 4
    assert result.finish == "stop"


async def test_stretches_are_the_prefix_of_threads_that_fork_themselves() -> None:
    def answer(request: CompletionRequest) -> str:
        threads, closed = request.prefix.count("<Thread>"), request.prefix.count("</Thread>")
        if not request.prefix:
            return f"{OUTLINES}</Outlines>"
        if threads == 1 and request.prefix.endswith("\n1:"):
            return " deeper\n<Parallel>\n<Outlines>\n<Outline>1: x</Outline>\n</Outlines>"
        return " inside\n</Thread>" if threads > closed else ANSWER

    result, backend = await play_letters(answer, "tokens", budget=Budget(max_depth=2))
    assert result.telemetry.forks == 2
    assert len(backend.inputs) == 6


@pytest.mark.parametrize("name", DIALECTS)
async def test_stretches_are_the_prefix_in_every_dialect(name: str) -> None:
    dialect = DIALECTS[name]
    opened = "".join(f"{dialect.outline[0]}{n}: p{dialect.outline[1]}\n" for n in (1, 2))
    open_block = f"{dialect.block[0]}\n" if dialect.block else ""

    def answer(request: CompletionRequest) -> str:
        if dialect.thread[1] in request.stop:
            return f" work\n{dialect.thread[1]}"
        if not request.prefix:
            return f"x\n{open_block}{dialect.outlines[0]}\n{opened}{dialect.outlines[1]}"
        return "so \\boxed{1}"

    result, backend = await play_letters(answer, "tokens", dialect=dialect)
    assert result.telemetry.threads == 2
    assert len(backend.inputs) == 4
