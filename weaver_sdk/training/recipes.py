"""The runs that made the packaged models, in the order in which they build on one another.

Digits first, on short sequences and in a narrow range; then the form; then the whole range.
"""

from __future__ import annotations

from collections.abc import Callable

from weaver_sdk.training.batches import Lesson, Mixture
from weaver_sdk.training.sft import Recipe
from weaver_sdk.training.tasks import Extremes, OneStep, Products, SumsOfProducts


def mixture(
    one_step: float, sums: float, products: float, extremes: float, *, terms: int = 6, wide: bool = True
) -> Mixture:
    """The four tasks with these weights, up to `terms` terms; not `wide`: factors of two digits at most."""
    longer = 3 if wide else 2
    return (
        (OneStep(longer=longer, plain=5 if wide else 4), one_step),
        (SumsOfProducts(max_terms=terms, longer=longer), sums),
        (Products(below=1_000_000 if wide else 100_000), products),
        (Extremes(max_terms=terms, longer=longer), extremes),
    )


def sequential(seed: int = 1) -> Recipe:
    """From scratch, without forks: where the digits are learned best, for these sequences are the shortest.

    Single steps first; then a range wider than the model can hold yet, for copying far; then, while
    the rates fall, a narrow one.
    """
    short = SumsOfProducts(max_terms=2, longer=2)
    return Recipe(
        mode="sequential",
        steps=9500,
        plateau=5000,
        matrix_rate=0.01,
        vector_rate=0.003,
        seed=seed,
        lessons=(
            Lesson(1250, ((OneStep(longer=2, plain=5), 0.8), (short, 0.2))),
            Lesson(3750, mixture(0.5, 0.25, 0.15, 0.1, terms=3)),
            Lesson(5000, mixture(0.15, 0.45, 0.2, 0.2)),
            Lesson(9500, mixture(0.2, 0.4, 0.2, 0.2, terms=4, wide=False)),
        ),
    )


def parallel(seed: int = 2) -> Recipe:
    """From the sequential model: what is left to learn is the form, which is cheap."""
    return Recipe(
        mode="parallel",
        steps=4000,
        plateau=0,
        matrix_rate=0.005,
        vector_rate=0.0015,
        seed=seed,
        lessons=(Lesson(4000, mixture(0.3, 0.35, 0.15, 0.2, terms=4, wide=False)),),
    )


def widening(mode: str, seed: int = 3) -> Recipe:
    """From a model of the narrow range, in its own mode: the whole range."""
    return Recipe(
        mode=mode,
        steps=2500,
        plateau=0,
        matrix_rate=0.004,
        vector_rate=0.0012,
        seed=seed,
        lessons=(Lesson(2500, mixture(0.25, 0.35, 0.15, 0.25)),),
    )


STAGES: dict[str, Callable[[], Recipe]] = {
    "sequential": sequential,
    "parallel": parallel,
    "widen-sequential": lambda: widening("sequential"),
    "widen-parallel": lambda: widening("parallel"),
}
"""By the names that the command line takes; each but the first begins with the checkpoint of another."""
