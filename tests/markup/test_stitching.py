"""What the client writes is exact, and texts pass through it unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.markup.trajectories import PRODUCTS
from weaver_sdk.markup import (
    MULTIVERSE,
    NPR,
    THREADWEAVER,
    Dialect,
    Outline,
    close_block,
    close_think,
    end_thread,
    is_well_formed,
    join_threads,
    parse,
    read_outlines,
    thread_prefix,
)

ONE, TWO = Outline("1", "a"), Outline("2", "b")


def test_a_thread_begins_behind_a_newline_and_ends_its_prefix_at_the_colon() -> None:
    assert thread_prefix(THREADWEAVER, TWO) == "\n<Thread>\n2:"


def test_threads_are_joined_in_the_order_given() -> None:
    joined = join_threads(THREADWEAVER, [(ONE, " x\n"), (TWO, " y")])
    assert joined == "\n<Thread>\n1: x\n</Thread><Thread>\n2: y</Thread>\n"


def test_a_client_that_closes_the_block_does_so_with_the_join() -> None:
    dialect = replace(THREADWEAVER, name="closing", block_closed_by="client")
    joined = join_threads(dialect, [(Outline("1", "a"), " x\n")])
    assert joined == "\n<Thread>\n1: x\n</Thread>\n</Parallel>\n"


def test_no_thread_leaves_no_trace() -> None:
    assert join_threads(THREADWEAVER, []) == ""


def test_a_trajectory_is_rebuilt_from_its_parts() -> None:
    trajectory = parse(PRODUCTS, THREADWEAVER)
    (fork,) = trajectory.blocks
    head = PRODUCTS[: PRODUCTS.index("</Outlines>") + len("</Outlines>")]
    outlines = read_outlines(head, THREADWEAVER).outlines
    joined = join_threads(THREADWEAVER, zip(outlines, (thread.text for thread in fork.threads), strict=True))
    assert PRODUCTS.startswith(head + joined + "</Parallel>")


@pytest.mark.parametrize(
    ("dialect", "block_end", "think_end"),
    [
        (THREADWEAVER, "</Parallel>\n", "\n</think>\n"),
        (MULTIVERSE, "</Conclusion>\n</Parallel>\n", "\n</think>\n"),
        (NPR, "</takeaway>\n", "\n"),
        (replace(NPR, name="bare", conclusion=None), "", "\n"),
    ],
)
def test_a_block_and_the_reasoning_can_be_closed_early(
    dialect: Dialect, block_end: str, think_end: str
) -> None:
    assert close_block(dialect) == block_end
    assert close_think(dialect) == think_end


def test_what_the_client_closes_is_well_formed() -> None:
    opening = "<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
    threads = [(ONE, end_thread(THREADWEAVER, " cut of")), (TWO, end_thread(THREADWEAVER, " y\n"))]
    text = (
        opening + join_threads(THREADWEAVER, threads) + close_block(THREADWEAVER) + close_think(THREADWEAVER)
    )
    assert " cut of\n</Thread>" in text
    assert " y\n</Thread>" in text
    assert is_well_formed(text, THREADWEAVER)


@given(st.text(), st.text())
def test_texts_are_stitched_as_they_are(outline: str, text: str) -> None:
    seeded = replace(THREADWEAVER, name="seeded", seed="<Thread>\n{label}: {outline} {0}{}")
    joined = join_threads(seeded, [(Outline("1", outline), text)])
    assert joined == f"\n<Thread>\n1: {outline} {{0}}{{}}{text}</Thread>\n"


def test_braces_in_an_outline_are_data() -> None:
    seeded = replace(THREADWEAVER, name="seeded", seed="<Thread>\n{label}: {outline}")
    assert thread_prefix(seeded, Outline("1", "{label} {outline} {x!r} %s")) == (
        "\n<Thread>\n1: {label} {outline} {x!r} %s"
    )
