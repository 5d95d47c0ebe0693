"""Any text has a reading as a trajectory, and stitches to the same bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import grows_linearly, repeated
from tests.markup.trajectories import (
    LEGACY_SUMS,
    MULTIVERSE_CASES,
    NPR_ROOTS,
    PRODUCTS,
    block,
    messes,
    well_formed,
)
from weaver_sdk.markup import (
    DIALECTS,
    MULTIVERSE,
    NPR,
    THREADWEAVER,
    THREADWEAVER_LEGACY,
    Block,
    Dialect,
    Outline,
    Trajectory,
    is_well_formed,
    parse,
)


def kinds(text: str, dialect: Dialect = THREADWEAVER) -> list[str]:
    return [repair.kind for repair in parse(text, dialect).repairs]


def blocks_of(trajectory: Trajectory) -> list[list[tuple[str, str]]]:
    return [[(thread.label, thread.text) for thread in block.threads] for block in trajectory.blocks]


def test_the_parts_of_a_trajectory() -> None:
    trajectory = parse(PRODUCTS, THREADWEAVER)
    before, fork, after = trajectory.parts
    assert before == "<think>\nWe add the two products.\n"
    assert after == "\n4042 + 1116 = 5158\n</think>\n\\boxed{5158}\n"
    assert isinstance(fork, Block)
    assert fork.outlines == (Outline("1", "Compute 47*86."), Outline("2", "Compute 93*12."))
    assert [thread.opening for thread in fork.threads] == ["<Thread>\n1:", "<Thread>\n2:"]
    assert blocks_of(trajectory) == [
        [("1", " 47*86 = 47*80 + 47*6 = 3760 + 282 = 4042\n"), ("2", " 93*12 = 1116\n")]
    ]
    assert fork.head.startswith("<Parallel>")
    assert fork.closing == "\n</Parallel>"
    assert trajectory.repairs == ()
    assert PRODUCTS[trajectory.answer_start :] == "\n\\boxed{5158}\n"


@given(st.data(), st.sampled_from(list(DIALECTS.values())))
def test_well_formed_text_is_parsed_without_repair_and_stitched_to_the_same_bytes(
    data: st.DataObject, dialect: Dialect
) -> None:
    text = data.draw(well_formed(dialect))
    trajectory = parse(text, dialect)
    assert trajectory.stitch() == text
    assert {repair.kind for repair in trajectory.repairs} <= {"single_outline"}


@given(messes())
def test_any_text_is_stitched_to_the_same_bytes(text: str) -> None:
    trajectory = parse(text, THREADWEAVER)
    assert trajectory.stitch() == text
    assert "" not in trajectory.parts


@given(st.data(), st.sampled_from(list(DIALECTS.values())))
def test_so_is_text_that_was_well_formed_before_it_was_cut_up(data: st.DataObject, dialect: Dialect) -> None:
    text = data.draw(well_formed(dialect))
    start, end = (data.draw(st.integers(0, len(text))) for _ in range(2))
    broken = text[:start] + text[end:]
    assert parse(broken, dialect).stitch() == broken


def test_blocks_in_a_row_and_blocks_in_threads() -> None:
    inner = block(" a\n", " b\n")
    outer = block(" x\n", f" y\n{inner} z\n")
    last = block(" u\n", " v\n")
    text = f"<think>{outer}, then {last}</think>"
    trajectory = parse(text, THREADWEAVER)
    assert trajectory.stitch() == text
    assert [len(fork.threads) for fork in trajectory.blocks] == [2, 2]
    (nested,) = [part for part in trajectory.blocks[0].threads[1].parts if isinstance(part, Block)]
    assert nested.stitch() == inner
    assert trajectory.repairs == ()


PAIR = "<Parallel><Outlines><Outline>1: a</Outline><Outline>2: b</Outline></Outlines>"


@pytest.mark.parametrize(
    ("text", "repairs", "threads"),
    [
        # the outlines
        ("<Parallel></Parallel>", ["unreadable_outlines"], [[]]),
        ("<Parallel><Outlines></Outlines></Parallel>", ["unreadable_outlines"], [[]]),
        (
            PAIR.replace("</Outline><", "<") + "<Thread>1: x</Thread><Thread>2: y</Thread></Parallel>",
            ["unclosed_outline"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR.replace("</Outlines>", "") + "<Thread>1: x</Thread><Thread>2: y</Thread></Parallel>",
            ["unclosed_outlines"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR.replace("<Parallel>", "") + "<Thread>1: x</Thread><Thread>2: y</Thread></Parallel>",
            ["missing_block_tag"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR + "<THREAD>1: x</Thread><Thread>2: y</thread></parallel>",
            ["tag_spelling"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            "<PARALLEL>" + PAIR[10:].lower() + "<Thread>1: x</Thread><Thread>2: y</Thread></Parallel>",
            ["tag_spelling"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            "<Outlines>1: a\n2: b</Outlines><Thread>1: x</Thread><Thread>2: y</Thread></Parallel>",
            ["missing_block_tag", "untagged_outlines"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            "<Parallel><Outlines><Outline>1: a</Outline></Outlines><Thread>1: x</Thread></Parallel>",
            ["single_outline"],
            [[("1", " x")]],
        ),
        (
            "so <Thread>1: x</Thread>",
            ["missing_block_tag", "unclosed_block", "unreadable_outlines"],
            [[("1", " x")]],
        ),
        # the threads
        (PAIR + "<Thread>1: x</Thread></Parallel>", ["outline_numbers"], [[("1", " x")]]),
        (
            PAIR + "<Thread>2: x</Thread><Thread>y</Thread></Parallel>",
            ["outline_numbers"],
            [[("2", " x"), ("", "y")]],
        ),
        (
            PAIR + "<Thread>1: x<Thread>2: y</Thread></Parallel>",
            ["thread_opened_thread"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x</Thread><Thread>2: y",
            ["thread_ended_early", "unclosed_block"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x</Thread><Thread>2: </Thread></Parallel>",
            ["thread_empty"],
            [[("1", " x"), ("2", " ")]],
        ),
        (
            PAIR + "<Thread>1: x</Parallel> x</Thread><Thread>2: y</Thread></Parallel>",
            ["thread_closed_block"],
            [[("1", " x</Parallel> x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x</Thread><Thread>2: y</Parallel> so",
            ["thread_closed_block"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x</think> x</Thread><Thread>2: y</Thread></Parallel>",
            ["thread_closed_think"],
            [[("1", " x</think> x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x</Thread><Thread>2: y</think> so",
            ["thread_closed_think", "unclosed_block"],
            [[("1", " x"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: \\boxed{3}</Thread><Thread>2: y</Thread></Parallel>",
            ["thread_wrote_answer"],
            [[("1", " \\boxed{3}"), ("2", " y")]],
        ),
        (
            PAIR + "<Thread>1: x <Outline> <think></Thread><Thread>2: y</Thread></Parallel>",
            ["stray_tag"],
            [[("1", " x <Outline> <think>"), ("2", " y")]],
        ),
        (
            PAIR + "</Outline><Thread>1: x</Thread><Thread>2: y</Thread></Outlines></Parallel>",
            ["stray_tag"],
            [[("1", " x"), ("2", " y")]],
        ),
        # the main line
        (
            PAIR + "<Thread>1: x</Thread><Thread>2: y</Thread> so",
            ["unclosed_block"],
            [[("1", " x"), ("2", " y")]],
        ),
        (PAIR + " so", ["unclosed_block", "outline_numbers"], [[]]),
        (
            PAIR + "<Parallel></Parallel>",
            ["unclosed_block", "outline_numbers", "unreadable_outlines"],
            [[], []],
        ),
        ("so </Thread> so", ["stray_tag"], []),
        ("<THINK> so </think>", ["tag_spelling"], []),
        ("<think> so", ["unclosed_think"], []),
        ("so </think> so", [], []),
    ],
)
def test_what_is_wrong_is_put_right_and_noted(
    text: str, repairs: list[str], threads: list[list[tuple[str, str]]]
) -> None:
    trajectory = parse(text, THREADWEAVER)
    assert [repair.kind for repair in trajectory.repairs] == repairs
    assert blocks_of(trajectory) == threads
    assert trajectory.stitch() == text
    assert not is_well_formed(text, THREADWEAVER)


def test_a_repair_says_where() -> None:
    one, two = block(" x\n"), block(" x\n", "")
    text = f"<think>{one}{two}</think>"
    found = {repair.kind: (repair.fork, repair.thread) for repair in parse(text, THREADWEAVER).repairs}
    assert found == {"single_outline": (1, None), "thread_empty": (2, 2)}


def test_a_block_that_never_opened_its_threads_ends_behind_its_outlines() -> None:
    assert parse(PAIR + " so", THREADWEAVER).parts[1] == " so"


def test_a_thread_that_opens_a_block_and_is_cut_keeps_it_to_itself() -> None:
    text = PAIR + f"<Thread>1: x {PAIR}</Thread><Thread>2: y</Thread></Parallel>"
    (fork,) = parse(text, THREADWEAVER).blocks
    assert [thread.label for thread in fork.threads] == ["1", "2"]
    assert isinstance(fork.threads[0].parts[1], Block)


def test_a_thread_without_an_outline_is_known_by_its_number() -> None:
    text = PAIR + "<Thread>1: x</Thread><Thread>2: y</Thread><Thread> 3: z</Thread></Parallel>"
    (fork,) = parse(text, THREADWEAVER).blocks
    assert fork.threads[2].opening == "<Thread> 3:"


def test_the_end_of_the_reasoning_is_the_last_one_outside_threads() -> None:
    text = f"a</think>b</think>c{PAIR}<Thread>1:</think></Thread>"
    trajectory = parse(text, THREADWEAVER)
    assert trajectory.answer_start == text.index("c")
    assert parse("a", THREADWEAVER).answer_start is None


def test_blocks_beyond_any_depth_are_text() -> None:
    text = f"{PAIR}<Thread>1:" * 40
    trajectory = parse(text, THREADWEAVER)
    assert trajectory.stitch() == text
    assert "thread_opened_block" in kinds(text)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [(THREADWEAVER_LEGACY, LEGACY_SUMS), (MULTIVERSE, MULTIVERSE_CASES), (NPR, NPR_ROOTS)],
    ids=["threadweaver-legacy", "multiverse", "npr"],
)
def test_the_other_dialects_are_read(dialect: Dialect, text: str) -> None:
    trajectory = parse(text, dialect)
    assert trajectory.stitch() == text
    assert {repair.kind for repair in trajectory.repairs} <= {"single_outline"}
    assert all(len(fork.threads) == len(fork.outlines) for fork in trajectory.blocks)
    assert is_well_formed(text, dialect, max_depth=2)


@pytest.mark.parametrize(
    "text",
    [
        "<Parallel>",
        "<Thread>",
        "</Thread>",
        "<Outlines><Thread>",
        "<Thread></Parallel>",
        "<Thread>1:</think>",
        f"{PAIR}<Thread>",
        "</Parallel>" * 50 + "<Thread>",
        "<Outline>",
        "\\boxed{",
        "<",
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    def work(long: str) -> None:
        assert parse(long, THREADWEAVER).stitch() == long

    assert grows_linearly(repeated(text), work)


def test_a_dialect_without_an_end_for_its_blocks_needs_none() -> None:
    dialect = replace(NPR, name="bare", conclusion=None, after_threads="\n", exact=True)
    text = block(" x\n", " y\n", dialect=dialect) + "so"
    trajectory = parse(text, dialect)
    assert trajectory.repairs == ()
    assert trajectory.parts[1] == "\nso"
    assert is_well_formed(text, dialect)
