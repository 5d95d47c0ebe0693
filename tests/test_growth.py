"""The measure of growth tells linear work from quadratic, on a clock that the test turns."""

import random
from collections.abc import Callable

import pytest

from tests.growth import grows_linearly


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(cost: Callable[[int], float]) -> bool:
    clock = Clock()

    def work(n: int) -> None:
        clock.now += cost(n)

    return grows_linearly(lambda n: n, work, clock=clock)


@pytest.mark.parametrize(
    "cost",
    [lambda n: n * 1e-6, lambda n: 0.05 + n * 1e-9, lambda n: n * n.bit_length() * 1e-7, lambda n: 0.0],
)
def test_linear_work_passes(cost: Callable[[int], float]) -> None:
    assert told(cost)


@pytest.mark.parametrize(
    "cost", [lambda n: n**2 * 1e-9, lambda n: n * 1e-7 + n**2 * 1e-11, lambda n: n**3 * 1e-12]
)
def test_quadratic_work_does_not(cost: Callable[[int], float]) -> None:
    assert not told(cost)


def test_noise_on_most_tries_changes_nothing() -> None:
    dice = random.Random(5)
    for _ in range(20):
        assert told(lambda n: n * 1e-6 + dice.choice([0.0, 0.01, 0.05]))
        assert not told(lambda n: n**2 * 1e-9 + dice.choice([0.0, 0.001, 0.005]))


def test_a_size_that_grew_too_fast_by_noise_is_tried_again_larger() -> None:
    seen: list[int] = []

    def cost(n: int) -> float:
        seen.append(n)
        return n * 1e-6 + (0.1 if n == 32_000 else 0.0)  # a stall at one size

    assert told(cost)
    assert max(seen) > 32_000
