"""The units of a trajectory are the requests that the runtime makes. Nothing here needs torch."""

from __future__ import annotations

from training.units import Unit, units
from training.vocabulary import END

TRAJECTORY = (
    "<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>\n"
    "<Thread>\n1: x\n</Thread><Thread>\n2: y\n</Thread>\n</Parallel>\nz\n</think>\n\\boxed{1}"
)
OPENED = TRAJECTORY.partition("</Outlines>")[0] + "</Outlines>"
JOINED = TRAJECTORY.partition("</Parallel>")[0]


def test_a_fork_gives_the_plan_each_thread_on_its_own_prefix_the_rest_and_the_whole() -> None:
    assert units("Q", TRAJECTORY) == [
        Unit("Q", OPENED),
        Unit(f"Q{OPENED}\n<Thread>\n1:", " x\n</Thread>"),
        Unit(f"Q{OPENED}\n<Thread>\n2:", " y\n</Thread>"),
        Unit("Q" + JOINED, TRAJECTORY.removeprefix(JOINED) + END),
        Unit("Q", TRAJECTORY + END),
    ]


def test_text_without_a_fork_is_one_unit() -> None:
    assert units("Q", "<think>\n1\n</think>\n1") == [Unit("Q", "<think>\n1\n</think>\n1" + END)]


def test_each_block_of_several_starts_from_the_join_before_it() -> None:
    block = TRAJECTORY.removeprefix("<think>\n").partition("z\n")[0]
    text = f"<think>\n{block}middle\n{block}</think>\n1"
    found = units("Q", text, whole=False)
    assert [unit.completion.count("<Outlines>") for unit in found] == [1, 0, 0, 1, 0, 0, 0]
    assert found[3].completion.startswith("</Parallel>\nmiddle\n<Parallel>")
    assert found[-1].context + found[-1].completion == "Q" + text + END
