"""Whether work grows no faster than its input: told from how its seconds grow, so any machine will do."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOST = 3.0
"""Twice the input takes twice as long where work is linear, and four times as long where it is quadratic."""
TRIES = 3
LONG_ENOUGH = 0.01
"""CPU seconds that stand out from noise."""
SIZES = 4
LARGEST = 1 << 20
"""A size that takes next to no time is beyond doubt."""


def grows_linearly(
    make: Callable[[int], T],
    work: Callable[[T], object],
    *,
    start: int = 4_000,
    clock: Callable[[], float] = time.process_time,
) -> bool:
    """Return whether work on `make(2 * n)` takes at most three times as long as on `make(n)`.

    Of each size the best of some tries counts, for noise only adds to it. A size that takes too little time
    to be counted is doubled; so is one that grew too fast, until several in a row did: noise fades with
    size, growth beyond linear stays.

    Args:
        make: returns an input of a size.
        work: what is timed.
        start: the first size to try. Copying all that came before at every step, the cheapest of faults,
            shows from about 200,000 steps on.
        clock: seconds of this process.
    """

    def seconds(of: T) -> float:
        began = clock()
        work(of)
        return clock() - began

    def compare(n: int) -> bool:
        while seconds(make(n)) < LONG_ENOUGH:
            if n > LARGEST:
                return True
            n *= 2
        for _ in range(SIZES):
            small, large = make(n), make(2 * n)
            pairs = [(seconds(small), seconds(large)) for _ in range(TRIES)]  # in turn: other work slows both
            once, twice = (min(times) for times in zip(*pairs, strict=True))
            if twice <= MOST * once:
                return True
            print(f"{once:.4f} s for {n}, {twice:.4f} s for twice as much")  # shown where a test fails
            n *= 2
        return False

    gc.disable()  # it looks at all objects that there are, the more often the more there are
    try:
        return compare(start)
    finally:
        gc.enable()


def repeated(text: str) -> Callable[[int], str]:
    """Return what makes inputs out of one text, over and over."""
    return lambda characters: text * (characters // len(text))
