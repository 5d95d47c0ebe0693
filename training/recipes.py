"""The runs that made the packaged models, in the order in which they build on one another.

Digits first, on short sequences and in a narrow range; then more terms and longer products; then the form.
"""

from __future__ import annotations

from collections.abc import Callable

from training.batches import Lesson, Mixture
from training.sft import Recipe
from training.tasks import Between, ByDigits, Extremes, OneStep, Products, SumsOfProducts

SHORT = ByDigits(2, 2)
ANY = Between(0, 99)


def mixture(
    one_step: float, sums: float, products: float, extremes: float, *, terms: int = 6, wide: bool = True
) -> Mixture:
    """The four tasks with these weights, up to `terms` terms; not `wide`: factors of two digits at most."""
    factors = ByDigits(3, 2) if wide else SHORT
    return (
        (OneStep(factors=factors, plain=5 if wide else 4), one_step),
        (SumsOfProducts(max_terms=terms, factors=factors), sums),
        (Products(below=1_000_000 if wide else 100_000), products),
        (Extremes(max_terms=terms, factors=factors), extremes),
    )


def whole_range(one_step: float, sums: float, products: float, extremes: float) -> Mixture:
    """Numbers of up to two digits: six terms, products of four factors up to a million.

    A third of the single steps and a fifth of the products are of other sizes: the rows of a product of four
    are as long as those of 4 digits by 2, and short factors are rare where all numbers are as likely.
    """
    return (
        (OneStep(factors=SHORT, plain=4), one_step * 2 / 3),
        (OneStep(factors=ByDigits(4, 2), plain=5), one_step / 3),
        (SumsOfProducts(factors=ANY), sums),
        (Products(min_factors=4, factors=Between(10, 99)), products * 4 / 5),
        (Products(), products / 5),
        (Extremes(factors=ANY), extremes),
    )


def sequential(seed: int = 1) -> Recipe:
    """From scratch, without forks: where the digits are learned best, for these sequences are the shortest.

    Single steps first; then a range wider than the model can hold yet, for copying far; then, while
    the rates fall, a narrow one.
    """
    short = SumsOfProducts(max_terms=2, factors=SHORT)
    return Recipe(
        mode="sequential",
        steps=9500,
        plateau=5000,
        matrix_rate=0.01,
        vector_rate=0.003,
        seed=seed,
        lessons=(
            Lesson(1250, ((OneStep(factors=SHORT, plain=5), 0.8), (short, 0.2))),
            Lesson(3750, mixture(0.5, 0.25, 0.15, 0.1, terms=3)),
            Lesson(5000, mixture(0.15, 0.45, 0.2, 0.2)),
            Lesson(9500, mixture(0.2, 0.4, 0.2, 0.2, terms=4, wide=False)),
        ),
    )


def widened(seed: int = 4) -> Recipe:
    """From the narrow sequential model, still without forks: the whole range."""
    return Recipe(
        mode="sequential",
        steps=6000,
        plateau=2500,
        matrix_rate=0.006,
        vector_rate=0.0018,
        seed=seed,
        lessons=(Lesson(6000, whole_range(0.3, 0.25, 0.3, 0.15)),),
    )


def finished(mode: str, seed: int = 7) -> Recipe:
    """From the widened model, in either mode: the form, which is cheap, or none; and what was still wrong.

    That is long sums, whose signs stand far away; short factors, which few numbers below a hundred are; and
    factors of three digits. Both packaged models take this stage and the two behind it: they differ in the
    mode alone.
    """
    few = Between(0, 20)
    mixture: Mixture = (
        (OneStep(factors=SHORT, plain=4), 0.1),
        (OneStep(factors=ByDigits(4, 2), plain=5), 0.06),
        (SumsOfProducts(factors=ANY), 0.12),
        (SumsOfProducts(min_terms=5, factors=ANY), 0.1),
        (SumsOfProducts(factors=SHORT), 0.08),
        (SumsOfProducts(factors=few), 0.08),
        (SumsOfProducts(), 0.12),
        (SumsOfProducts(min_terms=4), 0.05),
        (Products(min_factors=4, factors=Between(10, 99)), 0.12),
        (Products(), 0.06),
        (Products(below=100_000), 0.06),
        (Extremes(factors=ANY), 0.06),
        (Extremes(factors=SHORT), 0.03),
        (Extremes(factors=few), 0.05),
        (Extremes(), 0.08),
    )
    return Recipe(
        mode=mode,
        steps=14_000,
        plateau=5000,
        matrix_rate=0.006,
        vector_rate=0.0018,
        seed=seed,
        lessons=(Lesson(14_000, mixture),),
    )


def polished(mode: str, seed: int = 8) -> Recipe:
    """From the finished model, in either mode: factors of all lengths side by side."""
    even = ByDigits(3, 2, rising=1)
    mixture: Mixture = (
        (OneStep(factors=SHORT, plain=4), 0.04),
        (OneStep(), 0.06),
        (SumsOfProducts(factors=even), 0.2),
        (SumsOfProducts(min_terms=5, factors=even), 0.08),
        (SumsOfProducts(), 0.17),
        (SumsOfProducts(factors=ANY), 0.1),
        (Products(min_factors=4, factors=Between(10, 99)), 0.12),
        (Products(), 0.06),
        (Products(below=100_000), 0.06),
        (Extremes(factors=even), 0.1),
        (Extremes(), 0.06),
        (Extremes(factors=ANY), 0.05),
    )
    return Recipe(
        mode=mode,
        steps=7500,
        plateau=2000,
        matrix_rate=0.006,
        vector_rate=0.0018,
        seed=seed,
        lessons=(Lesson(7500, mixture),),
    )


def evened(mode: str, seed: int = 9) -> Recipe:
    """From the polished model, in either mode, at low rates: single steps, rarer than the rest until then."""
    mixture: Mixture = (
        (OneStep(factors=SHORT, plain=4), 0.2),
        (OneStep(), 0.2),
        (SumsOfProducts(), 0.15),
        (SumsOfProducts(factors=ANY), 0.1),
        (Products(min_factors=4, factors=Between(10, 99)), 0.1),
        (Products(), 0.05),
        (Extremes(), 0.12),
        (Extremes(factors=ANY), 0.08),
    )
    return Recipe(
        mode=mode,
        steps=1500,
        plateau=0,
        matrix_rate=0.003,
        vector_rate=0.0009,
        seed=seed,
        lessons=(Lesson(1500, mixture),),
    )


STAGES: dict[str, Callable[[], Recipe]] = {
    "sequential": sequential,
    "widened": widened,
    "parallel": lambda: finished("parallel"),
    "parallel-polished": lambda: polished("parallel"),
    "parallel-evened": lambda: evened("parallel"),
    "twin": lambda: finished("sequential"),
    "twin-polished": lambda: polished("sequential"),
    "twin-evened": lambda: evened("sequential"),
}
"""By the names that the command line takes; each but the first begins with the checkpoint of another."""
