"""The watchdog bites who waits too long, and nobody else."""

import asyncio

import pytest

from weaver_sdk.backends.answer import Timeouts
from weaver_sdk.backends.watchdog import Watchdog
from weaver_sdk.errors import ConfigurationError


async def test_it_gives_up_after_the_given_time() -> None:
    watchdog = Watchdog()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.sleep(60), 0.02)
    assert 0.015 < loop.time() - began < 1
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    assert await watchdog.wait(asyncio.sleep(0, "again"), 5) == "again"
    watchdog.stop()


async def test_each_wait_begins_anew() -> None:
    watchdog = Watchdog()
    for _ in range(8):
        await watchdog.wait(asyncio.sleep(0.01), 0.05)
    watchdog.stop()


async def test_time_between_two_waits_does_not_count() -> None:
    watchdog = Watchdog()
    await watchdog.wait(asyncio.sleep(0), 0.01)
    await asyncio.sleep(0.03)
    assert await watchdog.wait(asyncio.sleep(0.001, "fine"), 5) == "fine"
    watchdog.stop()


async def test_a_shorter_limit_replaces_a_longer_one() -> None:
    watchdog = Watchdog()
    await watchdog.wait(asyncio.sleep(0), 60)
    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.sleep(60), 0.01)
    watchdog.stop()


async def test_a_cancellation_by_others_stays_one() -> None:
    watchdog = Watchdog()
    waiting = asyncio.create_task(watchdog.wait(asyncio.sleep(60), 60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watchdog.stop()


async def test_a_cancellation_by_others_at_the_same_moment_wins() -> None:
    watchdog = Watchdog()
    waiting = asyncio.create_task(watchdog.wait(asyncio.sleep(60), 60))
    await asyncio.sleep(0)
    watchdog._deadline = 0
    watchdog._look()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watchdog.stop()


@pytest.mark.parametrize("name", ["connect", "first", "idle"])
def test_a_limit_is_more_than_nothing(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Timeouts(**{name: 0})
