"""Worked examples: a question and how it is answered, in any dialect's markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.outlines import Outline
from weaver_sdk.markup.stitching import join_threads


@dataclass(frozen=True, kw_only=True)
class WorkedExample:
    """A question and the reasoning that answers it, as an untrained model is shown it."""

    question: str
    opening: str
    """What is thought first: which parts there are, or that there are none."""
    threads: tuple[tuple[str, str], ...] = ()
    """The outline and the working of each thread; none for a question that is not worth a fork."""
    conclusion: str
    """What is thought last."""
    answer: str
    """The whole answer, as long as the question asks for."""
    boxed: bool = True
    """Whether the answer stands in a box: right for one number, name or word, wrong for a text."""

    def trajectory(self, dialect: Dialect) -> str:
        """Return the whole trajectory in a dialect's markup."""
        thoughts = f"{self.opening}\n{self._block(dialect)}{self.conclusion}\n"
        if dialect.reasons_in_think:
            thoughts = f"{dialect.think[0]}\n{thoughts}{dialect.think[1]}\n"
        return thoughts + (f"\\boxed{{{self.answer}}}" if self.boxed else self.answer)

    def _block(self, dialect: Dialect) -> str:
        if not self.threads:
            return ""
        outlines = [Outline(str(number), text) for number, (text, _) in enumerate(self.threads, 1)]
        workings = (_begun(working) + dialect.thread_end for _, working in self.threads)
        joined = join_threads(dialect, zip(outlines, workings, strict=True))
        concluded = f"{self.conclusion}\n{dialect.conclusion[1]}\n" if dialect.conclusion else ""
        by_model = dialect.block_closed_by == "model"
        closed = f"{dialect.block[1]}\n" if dialect.block and by_model else ""
        return f"{open_block(dialect, outlines)}{dialect.outlines[1]}{joined}{concluded}{closed}"


def open_block(dialect: Dialect, outlines: Sequence[Outline]) -> str:
    """Return a block as a model writes it, up to the closing tag of its outlines, which is left out."""
    opens, closes = dialect.outline
    block = f"{dialect.block[0]}\n" if dialect.block else ""
    listed = "".join(f"{opens}{outline.label}: {outline.text}{closes}\n" for outline in outlines)
    return f"{block}{dialect.outlines[0]}\n{listed}"


def _begun(working: str) -> str:
    """Return the working of a thread as it follows its seed: on the same line, or on lines of its own."""
    return working if working.startswith("\n") else f" {working}"


_SHOUT = """```python
def shout(text):
    return text.upper() + "!"
```"""
_EVENS = """```python
def evens(numbers):
    return [n for n in numbers if n % 2 == 0]
```"""
_CLOTHES = """- a swimsuit and a towel
- a hat against the sun"""
_FOOD = """- plenty of water
- fruit and sandwiches"""

EXAMPLES = (
    WorkedExample(
        question="What is the capital of Japan?",
        opening="A single fact is asked for.",
        conclusion="The capital of Japan is Tokyo.",
        answer="Tokyo",
    ),
    WorkedExample(
        question="Describe the sea at night.",
        opening="The sea at night is a single picture.",
        conclusion="I tell what is seen of it and what is heard.",
        answer="The water is black, and the moon lies on it like a road.\nOnly the waves are heard.",
        boxed=False,
    ),
    WorkedExample(
        question="Ann has 9 pens, loses 4 and then buys 2. How many pens does she have?",
        opening="Each step needs the one before it.",
        conclusion="9 - 4 = 5, and 5 + 2 = 7.",
        answer="7",
    ),
    WorkedExample(
        question="What should I take to the beach?",
        opening="Clothes and food can be thought of one by one.",
        threads=(("Clothes for the beach", f"\n{_CLOTHES}"), ("Food for the beach", f"\n{_FOOD}")),
        conclusion="Both lists make the answer.",
        answer=f"Clothes:\n{_CLOTHES}\n\nFood:\n{_FOOD}",
        boxed=False,
    ),
    WorkedExample(
        question="Compute 12*3 + 5*7",
        opening="The two products do not need each other.",
        threads=(("12*3", "12*3 = 36"), ("5*7", "5*7 = 35")),
        conclusion="So 36 + 35 = 71",
        answer="71",
    ),
    WorkedExample(
        question="Write a Python function that shouts a text, and one that keeps the even numbers of a list.",
        opening="The two functions do not need each other.",
        threads=(
            ("A function that shouts a text", f"\n{_SHOUT}"),
            ("A function that keeps even numbers", f"\n{_EVENS}"),
        ),
        conclusion="Both functions make the answer.",
        answer=f"{_SHOUT}\n\n{_EVENS}",
        boxed=False,
    ),
    WorkedExample(
        question="Which languages are spoken in Brazil and in Austria?",
        opening="The two countries do not need each other.",
        threads=(
            ("The language of Brazil", "people in Brazil speak Portuguese."),
            ("The language of Austria", "people in Austria speak German."),
        ),
        conclusion="So it is Portuguese in Brazil and German in Austria.",
        answer="Portuguese and German",
    ),
)
"""Examples of our own: three questions that are not worth a fork, and four that are; threads of one line and
of several; answers in a box and answers that are text. The last weigh most."""
