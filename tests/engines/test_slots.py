"""Who gets which slot."""

from __future__ import annotations

import pytest

from weaver_sdk.backends.prefixes import common_prefix
from weaver_sdk.engines.llama.slots import Slot, SlotPool


def hold(pool: SlotPool, text: str) -> int:
    with pool.lend(text) as slot:
        slot.holds = text
        return slot.number


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("", "", 0),
        ("a", "", 0),
        ("abc", "abd", 2),
        ("abc", "abc", 3),
        ("abc", "abcdef", 3),
        ("xbc", "abc", 0),
    ],
)
def test_common_prefix(one: str, other: str, same: int) -> None:
    assert common_prefix(one, other) == common_prefix(other, one) == same


def test_what_a_slot_misses() -> None:
    assert Slot(0, "abcdef").misses("abc") == 0
    assert Slot(0, "ab").misses("abc") == 1


def test_the_slot_that_holds_most_is_lent_and_else_the_one_unused_for_longest() -> None:
    pool = SlotPool(3)
    numbers = [hold(pool, text) for text in ("apple", "berry", "cherry")]
    assert sorted(numbers) == [0, 1, 2]
    assert hold(pool, "berry pie") == numbers[1]
    assert hold(pool, "zebra") == numbers[0]
    assert hold(pool, "cherry pie") == numbers[2]


def test_a_slot_that_is_lent_is_lent_to_nobody_else() -> None:
    pool = SlotPool(2)
    with pool.lend("apple") as first, pool.lend("apple") as second:
        assert first.number != second.number
        with pytest.raises(RuntimeError, match="take a permit first"), pool.lend("apple"):
            pass
    assert {hold(pool, "a"), hold(pool, "b")} <= {0, 1}
