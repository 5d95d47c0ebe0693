"""How many problems each stage of training drew, and how many held-out ones were among them by chance.

    python benchmarks/held_out.py

Two questions are the same here if they differ in wording, spacing and the cross alone. The problems of a
stage are drawn once more, as training drew them, which takes three minutes.
"""

from __future__ import annotations

import re

from nano import selection
from rich.console import Console
from rich.progress import track

from training.batches import pools
from training.recipes import STAGES
from training.sft import Recipe


def drawn(recipe: Recipe) -> set[str]:
    """The problems of one stage, by `kernel`; as many as its steps took."""
    seen: set[str] = set()
    step = 0
    for problems, groups in pools(recipe.lessons, recipe.mode, recipe.batch_tokens, recipe.seed):
        seen |= {kernel(problem.question) for problem in problems}
        step += len(groups)
        if step >= recipe.steps:
            break
    return seen


def kernel(question: str) -> str:
    """What a question asks, whatever its wording: `max:47*86,93*12`."""
    kind = "max:" if re.search("larg|max|great", question) else ""
    kind = kind or ("min:" if re.search("small|min|least", question) else "")
    return kind + ",".join(
        re.findall(r"[\d*+-]+", re.sub(r"\s*([*+-])\s*", r"\1", question.replace("×", "*")))
    )


def main() -> None:
    seen: set[str] = set()
    for name, recipe in track(STAGES.items(), "drawing", console=Console(stderr=True)):
        found = drawn(recipe())
        print(f"{name}: {len(found):,} different problems", flush=True)
        seen |= found
    print(f"together: {len(seen):,}")
    for name, asked in selection(500):
        met = sum(kernel(problem.question) in seen for problem in asked) / len(asked)
        print(f"{name}: {met:.1%} were met in training")


if __name__ == "__main__":
    main()
