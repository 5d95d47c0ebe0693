"""Who gets which slot."""

from __future__ import annotations

import asyncio

import pytest

from weaver_sdk.backends.slots import Slot, SlotPool, common_prefix


async def hold(pool: SlotPool, text: str) -> int:
    async with pool.slot_for(text) as slot:
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


async def test_the_slot_that_holds_most_is_lent_and_else_the_one_unused_for_longest() -> None:
    pool = SlotPool(3)
    numbers = [await hold(pool, text) for text in ("apple", "berry", "cherry")]
    assert sorted(numbers) == [0, 1, 2]
    assert await hold(pool, "berry pie") == numbers[1]
    assert await hold(pool, "zebra") == numbers[0]
    assert await hold(pool, "cherry pie") == numbers[2]


async def test_those_who_wait_are_served_in_the_order_in_which_they_came() -> None:
    pool = SlotPool(1)
    order: list[int] = []

    async def use(number: int) -> None:
        async with pool.slot_for(""):
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(use(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_a_slot_lent_to_someone_who_gives_up_in_that_moment_goes_to_the_next() -> None:
    pool = SlotPool(1)
    async with pool.slot_for(""):
        waiting = [asyncio.create_task(hold(pool, text)) for text in ("a", "b", "c")]
        await asyncio.sleep(0)
        waiting[0].cancel()  # while it waits
    waiting[1].cancel()  # when the slot has just been lent to it
    done = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1)
    assert isinstance(done[0], asyncio.CancelledError)
    assert isinstance(done[1], asyncio.CancelledError)
    assert done[2] == 0
    assert await hold(pool, "d") == 0
