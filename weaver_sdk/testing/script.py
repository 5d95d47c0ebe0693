"""What a scripted model knows: whole trajectories, and how to write on from any point of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter

from weaver_sdk.markup.dialect import THREADWEAVER, Dialect

SCRIPTED_MODEL = "threadweaver-scripted"
"""What scripted models are called where no name is given: one that counts as trained to fork."""

_PIECE = re.compile(r"</?[A-Za-z_]+>|\s?[^\s<]+|\s|<")


def pieces(text: str) -> list[str]:
    """Cut a text into the tokens of the scripted model: a tag, a word with the space before it, a newline.

    The pieces joined are the text again.
    """
    return _PIECE.findall(text)


def each_piece(text: str) -> Iterator[str]:
    """Cut a text into the same pieces, one after the other."""
    return (found[0] for found in _PIECE.finditer(text))


@dataclass(frozen=True)
class Block:
    """Threads that run at once. A thread is its text, or a tuple of texts and blocks if it forks itself."""

    threads: tuple[str | tuple[str | Block, ...], ...]
    """What each thread writes after its seed, without its closing tag."""
    labels: tuple[str, ...] = ()
    """The numbers the threads carry; 1 to K where none are given."""


@dataclass(frozen=True)
class Trajectory:
    """Everything the model writes for one problem, in order.

    Each text before a block ends with the closing tag of the outlines; the text behind it begins where the
    join has ended.
    """

    problem: str
    """Text by which the problem is known: the prompt that holds it is asking for this trajectory."""
    parts: tuple[str | Block, ...]
    answer: str = ""
    """What the trajectory answers, for tests to compare with."""


@dataclass(frozen=True)
class _Line:
    """One stretch that the model can be asked to write: behind `context` comes `text`."""

    context: str
    text: str


@dataclass(frozen=True)
class Script:
    """A scripted fork/join model: call it with a prompt, and it says what it would write on.

    The prompt may end anywhere in a trajectory, in a thread of it, or behind a join. Stop strings and limits
    are the server's business: the text goes on to the end of the trajectory. Where a join differs from the
    script (a thread was cut short, say), the model goes on with what follows that block; where its reasoning
    was closed for it, with the answer.
    """

    trajectories: tuple[Trajectory, ...]
    dialect: Dialect = THREADWEAVER

    def __call__(self, prompt: str) -> str | None:
        """Return what follows the prompt, or `None` if it belongs to no trajectory."""
        known = [t for t in self.trajectories if t.problem in prompt]
        if not known:
            return None
        trajectory = max(known, key=lambda t: len(t.problem))
        return self._continue(prompt[prompt.index(trajectory.problem) :], self._lines[trajectory.problem])

    def text(self, problem: str) -> str:
        """Return the whole trajectory of a problem, joined as the dialect says."""
        return self._lines[problem][0].text

    @cached_property
    def _lines(self) -> dict[str, list[_Line]]:
        return {t.problem: [self._main(t), *self._threads("", t.parts)] for t in self.trajectories}

    def _main(self, trajectory: Trajectory) -> _Line:
        return _Line("", "".join(self._render(part) for part in trajectory.parts))

    def _render(self, part: str | Block) -> str:
        if isinstance(part, str):
            return part
        bodies = (
            self._seed(label) + self._thread_text(thread) + self.dialect.thread[1]
            for label, thread in _labelled(part)
        )
        return (
            self.dialect.before_threads
            + self.dialect.between_threads.join(bodies)
            + self.dialect.after_threads
        )

    def _seed(self, label: str) -> str:
        return self.dialect.seed.format(label=label, outline="")

    def _thread_text(self, thread: str | tuple[str | Block, ...]) -> str:
        return thread if isinstance(thread, str) else "".join(self._render(part) for part in thread)

    def _threads(self, context: str, parts: Sequence[str | Block]) -> Iterator[_Line]:
        for part in parts:
            if isinstance(part, Block):
                for label, thread in _labelled(part):
                    begun = context + self.dialect.before_threads + self._seed(label)
                    yield _Line(begun, self._thread_text(thread) + self.dialect.thread[1])
                    if not isinstance(thread, str):
                        yield from self._threads(begun, thread)
            context += self._render(part)

    def _continue(self, prompt: str, lines: list[_Line]) -> str:
        main = lines[0].text
        opening = main[: min(len(self.dialect.think[0]), len(main))]
        start = prompt.find(opening)
        if start < 0:
            begun = next(n for n in range(len(opening), -1, -1) if prompt.endswith(opening[:n]))
            return main[begun:]
        written = prompt[start:]
        rest = _rest(written, lines)
        if rest is None:  # a join may have gone otherwise than scripted: compare what stands behind it
            joins = written.count(self._joined)
            rest = _rest(_behind(written, self._joined, joins), self._cut(lines, joins))
        if rest is None:  # led to its answer: whatever came before, the reasoning is closed
            closing = self.dialect.think[1]
            rest = main[main.rfind(closing) + len(closing) :] if written.endswith(closing) else ""
        return rest

    @property
    def _joined(self) -> str:
        """What stands at the end of every block, whatever its threads hold."""
        return self.dialect.thread[1] + self.dialect.after_threads

    def _cut(self, lines: list[_Line], joins: int) -> list[_Line]:
        """Return the lines as they look from behind so many joins."""
        cut = []
        for line in lines:
            in_context = min(joins, line.context.count(self._joined))
            if (line.context + line.text).count(self._joined) >= joins:
                context = _behind(line.context, self._joined, in_context)
                cut.append(_Line(context, _behind(line.text, self._joined, joins - in_context)))
        return cut

    def to_json(self) -> str:
        """Return the script as JSON, for a server in another process."""
        return TypeAdapter(Script).dump_json(self).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Script:
        """Read a script back from `to_json`."""
        return TypeAdapter(cls).validate_json(data)


def _rest(written: str, lines: list[_Line]) -> str | None:
    """Return what the first line that fits has left to write; the main line stands first."""
    for line in lines:
        whole = line.context + line.text
        if len(line.context) <= len(written) and whole.startswith(written):
            return whole[len(written) :]
    return None


def _labelled(block: Block) -> Iterator[tuple[str, str | tuple[str | Block, ...]]]:
    labels = block.labels or tuple(str(n) for n in range(1, len(block.threads) + 1))
    return zip(labels, block.threads, strict=True)


def _behind(text: str, mark: str, times: int) -> str:
    """Return what follows the n-th mark in the text."""
    for _ in range(times):
        text = text.partition(mark)[2]
    return text


def fork_join_script(
    problems: int = 1,
    *,
    before_tokens: int = 30,
    thread_tokens: Sequence[int] = (40, 20, 60),
    after_tokens: int = 10,
    answer: Callable[[int], str] = str,
) -> Script:
    """Build a script whose runs all have one block of the same shape, and each problem an answer of its own.

    Counts are tokens of the scripted model, closing tags included, so that a run at `pace` seconds a token
    takes `pace * (before_tokens + max(thread_tokens) + after_tokens)` at best.

    Args:
        problems: how many problems; `script.trajectories[i].problem` is the text to ask with.
        before_tokens: tokens until `</Outlines>`, that tag included.
        thread_tokens: tokens of each thread, its closing tag included.
        after_tokens: tokens from the join to the end.
        answer: what stands in the box of problem i; the number i itself unless given.

    Raises:
        ValueError: a count is too small to hold the markup.
    """

    def trajectory(i: int) -> Trajectory:
        outlines = "".join(f"<Outline>{n}: part</Outline>\n" for n in range(1, len(thread_tokens) + 1))
        opened = f"\n<Parallel>\n<Outlines>\n{outlines}</Outlines>"
        before = _filled("<think>\n", f"before{i}", opened, before_tokens)
        threads = tuple(_filled("", f"thread{i}.{n}", "\n", t - 1) for n, t in enumerate(thread_tokens, 1))
        ended = f"\n</think>\n\\boxed{{{answer(i)}}}"
        after = _filled("</Parallel>", f"after{i}", ended, after_tokens)
        return Trajectory(f"Problem {i}: work out its parts.", (before, Block(threads), after), answer(i))

    return Script(tuple(trajectory(i) for i in range(problems)))


def _filled(opening: str, word: str, closing: str, tokens: int) -> str:
    """Put words between two texts until the whole has so many tokens."""
    room = tokens - len(pieces(opening)) - len(pieces(closing))
    if room < 0:
        raise ValueError(f"{tokens} tokens are too few: the markup alone takes {tokens - room}")
    return opening + "".join(f" {word}.{n}" for n in range(room)) + closing
