"""When the picture is drawn."""

import asyncio

import pytest

from weaver_sdk.cli import pace
from weaver_sdk.cli.pace import Pace


async def test_a_change_is_drawn_and_many_changes_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    painted = asyncio.Event()
    count = 0

    async def no_wait(seconds: float) -> None:
        waited.append(seconds)

    def paint() -> None:
        nonlocal count
        count += 1
        painted.set()

    monkeypatch.setattr(pace.asyncio, "sleep", no_wait)
    async with Pace(paint) as paced:
        await painted.wait()
        painted.clear()
        for _ in range(1_000):
            paced.changed()
        await painted.wait()
    assert count == 2  # the first picture, and one for all changes
    assert min(waited) >= pace.FRAME


async def test_a_costly_picture_is_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: asyncio.Queue[float] = asyncio.Queue()
    clock = iter(range(0, 1_000, 3))  # a picture takes three seconds of this clock

    async def no_wait(seconds: float) -> None:
        waited.put_nowait(seconds)

    monkeypatch.setattr(pace.asyncio, "sleep", no_wait)
    monkeypatch.setattr(pace.time, "thread_time", lambda: float(next(clock)))
    async with Pace(lambda: None):
        assert await waited.get() == pytest.approx(3 / pace.SHARE)


async def test_it_ends_with_its_block() -> None:
    before = len(asyncio.all_tasks())
    async with Pace(lambda: None):
        assert len(asyncio.all_tasks()) == before + 1
    assert len(asyncio.all_tasks()) == before
