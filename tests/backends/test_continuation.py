"""What a chat server says again of a text is taken away, and nothing else is."""

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.backends.base import Chunk, Usage
from weaver_sdk.backends.continuation import without_repeats

TEXT = "<think>\nTwo parts.\n</Outlines>\n<Thread>\n2:"


async def cleaned(*pieces: str, prefix: str = TEXT, asked: bool = True, finish: bool = True) -> str:
    async def stream() -> AsyncGenerator[Chunk, None]:
        for piece in pieces:
            yield Chunk(text=piece)
        if finish:
            yield Chunk(finish_reason="stop")

    chunks = [chunk async for chunk in without_repeats(stream(), prefix, asked=asked)]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"] * finish
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (" new", " new"),
        (TEXT + " new", " new"),
        ("2: new", " new"),
        ("<Thread>\n2: new", " new"),
        ("</Outlines>\n<Thread>\n2: new", " new"),
        ("\n\n<Thread>\n2: new", " new"),
        (TEXT, ""),
        ("<Thread>\n3: new", "<Thread>\n3: new"),
        ("<Thread>", "<Thread>"),
        ("", ""),
        ("  ", "  "),
    ],
)
async def test_a_model_that_is_asked_may_repeat_all_or_the_last_lines(written: str, left: str) -> None:
    assert await cleaned(written) == left
    assert await cleaned(*written) == left
    assert await cleaned(*written, finish=False) == left


async def test_white_space_at_the_end_of_the_text_need_not_be_repeated() -> None:
    prefix = "one\n</Thread>\n"
    assert await cleaned("</Thread>", "</Parallel>", prefix=prefix) == "</Parallel>"
    assert await cleaned("</Thread>\n", "</Parallel>", prefix=prefix) == "</Parallel>"


async def test_a_server_that_was_told_to_continue_repeats_all_or_nothing() -> None:
    assert await cleaned(TEXT, " new", asked=False) == " new"
    assert await cleaned("2: new", asked=False) == "2: new"
    assert await cleaned(*TEXT[:-1], " new", asked=False) == TEXT[:-1] + " new"


async def test_a_short_text_may_go_on_as_it_began() -> None:
    assert await cleaned("ha", "ha", prefix="ha", asked=False) == "haha"
    assert await cleaned("4", prefix="4") == "4"
    assert await cleaned("new", prefix="") == "new"


async def test_reasoning_and_counts_are_not_held_back() -> None:
    async def stream() -> AsyncGenerator[Chunk, None]:
        yield Chunk(reasoning="hm")
        yield Chunk(text="2")
        yield Chunk(text=": new", usage=Usage(completion_tokens=1))
        yield Chunk(text="er", finish_reason="stop")

    chunks = without_repeats(stream(), TEXT, asked=True)
    assert await anext(chunks) == Chunk(reasoning="hm")
    rest = [chunk async for chunk in chunks]
    assert "".join(chunk.text for chunk in rest) == " newer"
    assert [chunk.usage for chunk in rest if chunk.usage] == [Usage(completion_tokens=1)]


@given(st.text("ab\n :<", max_size=30), st.text("ab\n :<", max_size=30), st.integers(1, 5))
async def test_how_the_stream_was_cut_makes_no_difference(prefix: str, written: str, width: int) -> None:
    pieces = [written[i : i + width] for i in range(0, len(written), width)]
    for asked in (True, False):
        whole = await cleaned(written, prefix=prefix, asked=asked)
        assert await cleaned(*pieces, prefix=prefix, asked=asked) == whole
        assert written.endswith(whole)
