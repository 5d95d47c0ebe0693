"""The markup for models that were never trained to fork: told by example, held by a grammar.

An untrained model copies the form from worked examples in a raw prompt, and a GBNF grammar keeps it there. A
thread of such a model is seeded with its outline: with a bare number it tends to repeat the first thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup.dialect import THREADWEAVER, Dialect, TagPair

Phase = Literal["open", "thread", "resume"]
"""Where in a run a completion stands: before the first block, inside a thread, after a join."""

SEEDED_THREADWEAVER = replace(
    THREADWEAVER, name="threadweaver-seeded", seed="<Thread>\n{label}: {outline}:", instruction=""
)
"""ThreadWeaver's markup with the outline as the beginning of each thread."""


@dataclass(frozen=True, kw_only=True)
class WorkedExample:
    """A question and the reasoning that answers it, as an untrained model is shown it."""

    question: str
    opening: str
    """The sentence before the block."""
    threads: tuple[tuple[str, str], ...]
    """The outline and the working of each thread."""
    conclusion: str
    """The sentence after the block."""
    answer: str

    def trajectory(self, dialect: Dialect) -> str:
        """Return the whole trajectory in a dialect's markup."""
        outlines = "".join(
            f"{_tagged(dialect.outline, f'{number}: {outline}')}\n"
            for number, (outline, _) in enumerate(self.threads, 1)
        )
        threads = dialect.between_threads.join(
            f"{dialect.seed.format(label=number, outline=outline)} {working}\n{dialect.thread[1]}"
            for number, (outline, working) in enumerate(self.threads, 1)
        )
        opens, closes = dialect.block or ("", "")
        block = f"{opens}\n{_tagged(dialect.outlines, chr(10) + outlines)}{dialect.before_threads}"
        block += f"{threads}{dialect.after_threads}{closes}"
        think = _tagged(dialect.think, f"\n{self.opening}\n{block}\n{self.conclusion}\n")
        return f"{think}\n\\boxed{{{self.answer}}}"


@dataclass(frozen=True, kw_only=True)
class PromptedStrategy:
    """How an untrained model is brought to fork."""

    dialect: Dialect
    examples: tuple[WorkedExample, ...]
    max_threads: int = 3
    """Outlines that the grammar allows; it asks for two at least."""

    def __post_init__(self) -> None:
        if self.max_threads < 2:
            raise ConfigurationError(f"PromptedStrategy(max_threads={self.max_threads}): use 2 or more")

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the raw prompt for a conversation: the examples, then what was said, oldest first."""
        shown = "".join(
            f"Question: {example.question}\n{example.trajectory(self.dialect)}\n\n"
            for example in self.examples
        )
        return shown + "".join(_turn(message) for message in messages)

    def grammar_for(self, phase: Phase) -> str | None:
        """Return the GBNF grammar that holds the model to the form in one phase of a run."""
        if phase == "open":
            return outline_grammar(self.dialect, self.max_threads)
        return thread_grammar(self.dialect) if phase == "thread" else answer_grammar(self.dialect)


def outline_grammar(dialect: Dialect, max_threads: int) -> str:
    """Return GBNF for a main line up to its outlines: a sentence, then 2 to `max_threads` outlines."""
    opens, closes = (_quoted(tag) for tag in dialect.outline)
    root = [_quoted(f"{dialect.think[0]}\n"), "line"]
    block = f"{dialect.block[0]}\n" if dialect.block else ""
    root.append(_quoted(f"\n{block}{dialect.outlines[0]}\n"))
    optional = ""
    for number in range(max_threads, 2, -1):
        optional = f" (outline-{number}{optional})?"
    root += [f"outline-1 outline-2{optional}", _quoted(dialect.outlines[1])]
    rules = [f"root ::= {' '.join(root)}"]
    rules += [
        f'outline-{number} ::= {opens} "{number}: " short {closes} "\\n"'
        for number in range(1, max_threads + 1)
    ]
    rules += ["line ::= [^<>\\n]{8,160}", "short ::= [A-Z0-9] [^<>.:\\n]{1,60}"]
    return "\n".join(rules) + "\n"


def thread_grammar(dialect: Dialect, max_characters: int = 160) -> str:
    """Return GBNF for the working of a thread: one line, then its closing tag."""
    closes = _quoted(f"\n{dialect.thread[1]}")
    return f'root ::= " " [^<>\\n]{{2,{max_characters}}} {closes}\n'


def answer_grammar(dialect: Dialect, max_characters: int = 240) -> str:
    """Return GBNF for the main line after a join: a sentence, the end of the reasoning, a boxed answer."""
    closes = f"{dialect.block[1]}\n" if dialect.block and dialect.block_closed_by == "model" else ""
    before = f"{_quoted(closes)} " if closes else ""
    end = _quoted(f"\n{dialect.think[1]}\n\\boxed{{")
    return f'root ::= {before}[^<>\\n]{{2,{max_characters}}} {end} [^<>{{}}\\n]{{1,{max_characters}}} "}}"\n'


def _tagged(pair: TagPair, text: str) -> str:
    return f"{pair[0]}{text}{pair[1]}"


def _turn(message: Mapping[str, str]) -> str:
    said = message["content"]
    return f"Question: {said}\n" if message["role"] == "user" else f"{said}\n\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


PROMPTED = PromptedStrategy(
    dialect=SEEDED_THREADWEAVER,
    examples=(
        WorkedExample(
            question="What should I take to the beach?",
            opening="Clothes, food and play can be thought of one by one.",
            threads=(
                ("Clothes for the beach", "a swimsuit, a hat and a towel."),
                ("Food for the beach", "water, fruit and sandwiches."),
                ("Things to play with", "a ball and a bucket for the sand."),
            ),
            conclusion="So take clothes, food and something to play with.",
            answer="a swimsuit, a hat, a towel, water, sandwiches and a ball",
        ),
        WorkedExample(
            question="Compute 12*3 + 5*7",
            opening="The two products do not need each other.",
            threads=(("12*3", "12*3 = 36"), ("5*7", "5*7 = 35")),
            conclusion="So 36 + 35 = 71",
            answer="71",
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
    ),
)
"""ThreadWeaver's markup for any model that completes raw text. Tried with SmolLM2-135M-Instruct."""
