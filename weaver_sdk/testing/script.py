"""What a scripted model knows: whole trajectories, and how to continue from any point of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter

from weaver_sdk.markup.dialect import THREADWEAVER, Dialect

SCRIPTED_MODEL = "threadweaver-scripted"
"""The default name of scripted models; it counts as a model trained to fork."""

_PIECE = re.compile(r"</?[A-Za-z_]+>|\s?[^\s<]+|\s|<")


def pieces(text: str) -> list[str]:
    """Cut a text into the tokens of the scripted model: a tag, a word with the space before it, a newline.

    Joined, the pieces are the text again.
    """
    return _PIECE.findall(text)


def each_piece(text: str) -> Iterator[str]:
    """Yield the pieces of a text one by one."""
    return (found[0] for found in _PIECE.finditer(text))


@dataclass(frozen=True)
class ScriptedBlock:
    """Threads that run at once. A thread is a text, or a tuple of texts and blocks if it forks itself."""

    threads: tuple[str | tuple[str | ScriptedBlock, ...], ...]
    """What each thread writes after its seed, without its closing tag."""
    labels: tuple[str, ...] = ()
    """The threads' numbers; 1 to K if not given."""


@dataclass(frozen=True)
class ScriptedTrajectory:
    """Everything the model writes for one problem, in order.

    Each text before a block ends with the closing tag of the outlines; the text after a block begins where
    the join ends.
    """

    problem: str
    """Identifies the trajectory: a prompt that contains this text asks for it."""
    parts: tuple[str | ScriptedBlock, ...]
    answer: str = ""
    """The final answer, for tests to compare with."""


@dataclass(frozen=True)
class _Line:
    """One text that the model can be asked for: `text` follows `context`."""

    context: str
    text: str


@dataclass(frozen=True)
class Script:
    """A scripted fork/join model: call it with a prompt, and it returns the continuation.

    The prompt may end anywhere in a trajectory, in one of its threads, or after a join. The continuation runs
    to the end of the trajectory; stop strings and limits are up to the server. If a join differs from the
    script (because a thread was cut short, say), the model continues with what follows that block; if its
    reasoning was closed early, with the answer.
    """

    trajectories: tuple[ScriptedTrajectory, ...]
    dialect: Dialect = THREADWEAVER

    def __call__(self, prompt: str) -> str | None:
        """Return the continuation of a prompt; `None` if no trajectory matches it."""
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

    def _main(self, trajectory: ScriptedTrajectory) -> _Line:
        return _Line("", "".join(self._render(part) for part in trajectory.parts))

    def _render(self, part: str | ScriptedBlock) -> str:
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

    def _thread_text(self, thread: str | tuple[str | ScriptedBlock, ...]) -> str:
        return thread if isinstance(thread, str) else "".join(self._render(part) for part in thread)

    def _threads(self, context: str, parts: Sequence[str | ScriptedBlock]) -> Iterator[_Line]:
        for part in parts:
            if isinstance(part, ScriptedBlock):
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
        if rest is None:  # the join may differ from the script: compare only what follows it
            joins = written.count(self._joined)
            rest = _rest(_after(written, self._joined, joins), self._cut(lines, joins))
        if rest is None:  # the client closed the reasoning: go on with the answer, whatever came before
            closing = self.dialect.think[1]
            rest = main[main.rfind(closing) + len(closing) :] if written.endswith(closing) else ""
        return rest

    @property
    def _joined(self) -> str:
        """The end of every block, whatever its threads hold."""
        return self.dialect.thread[1] + self.dialect.after_threads

    def _cut(self, lines: list[_Line], joins: int) -> list[_Line]:
        """Return the part of each line that follows the n-th join."""
        cut = []
        for line in lines:
            in_context = min(joins, line.context.count(self._joined))
            if (line.context + line.text).count(self._joined) >= joins:
                context = _after(line.context, self._joined, in_context)
                cut.append(_Line(context, _after(line.text, self._joined, joins - in_context)))
        return cut

    def to_json(self) -> str:
        """Return the script as JSON, for a server in another process."""
        return TypeAdapter(Script).dump_json(self).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> Script:
        """Read a script back from `to_json`."""
        return TypeAdapter(cls).validate_json(data)


def _rest(written: str, lines: list[_Line]) -> str | None:
    """Return the rest of the first line that matches; the main line comes first."""
    for line in lines:
        whole = line.context + line.text
        if len(line.context) <= len(written) and whole.startswith(written):
            return whole[len(written) :]
    return None


def _labelled(block: ScriptedBlock) -> Iterator[tuple[str, str | tuple[str | ScriptedBlock, ...]]]:
    labels = block.labels or tuple(str(n) for n in range(1, len(block.threads) + 1))
    return zip(labels, block.threads, strict=True)


def _after(text: str, mark: str, times: int) -> str:
    """Return what follows the n-th mark in a text."""
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
    """Build a script whose runs all have one block of the same shape; each problem has its own answer.

    Counts are tokens of the scripted model, closing tags included, so that a run at `pace` seconds a token
    takes at least `pace * (before_tokens + max(thread_tokens) + after_tokens)`.

    Args:
        problems: how many problems; `script.trajectories[i].problem` is the text of one.
        before_tokens: tokens up to and including `</Outlines>`.
        thread_tokens: tokens of each thread, its closing tag included.
        after_tokens: tokens from the join to the end.
        answer: the boxed answer of problem i; the number i by default.

    Raises:
        ValueError: a count is too small to hold the markup.
    """

    def trajectory(i: int) -> ScriptedTrajectory:
        outlines = "".join(f"<Outline>{n}: part</Outline>\n" for n in range(1, len(thread_tokens) + 1))
        opened = f"\n<Parallel>\n<Outlines>\n{outlines}</Outlines>"
        before = _filled("<think>\n", f"before{i}", opened, before_tokens)
        threads = tuple(_filled("", f"thread{i}.{n}", "\n", t - 1) for n, t in enumerate(thread_tokens, 1))
        ended = f"\n</think>\n\\boxed{{{answer(i)}}}"
        after = _filled("</Parallel>", f"after{i}", ended, after_tokens)
        return ScriptedTrajectory(
            f"Problem {i}: work out its parts.", (before, ScriptedBlock(threads), after), answer(i)
        )

    return Script(tuple(trajectory(i) for i in range(problems)))


def _filled(opening: str, word: str, closing: str, tokens: int) -> str:
    """Put words between two texts to make `tokens` tokens in all."""
    room = tokens - len(pieces(opening)) - len(pieces(closing))
    if room < 0:
        raise ValueError(f"{tokens} tokens are too few: the markup alone takes {tokens - room}")
    return opening + "".join(f" {word}.{n}" for n in range(room)) + closing
