"""A worked solution as plain data, and its two ways onto paper: forked and sequential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Thread:
    """One independent piece of work: `outline` announces it, `body` is what the thread writes."""

    outline: str
    body: str


@dataclass(frozen=True)
class Fork:
    """Threads that do not need one another, written side by side."""

    threads: tuple[Thread, ...]


@dataclass(frozen=True)
class Trajectory:
    """Steps in order (text of the main line, or a fork), and the answer that they lead to."""

    steps: tuple[str | Fork, ...]
    answer: str

    @property
    def forks(self) -> int:
        return sum(isinstance(step, Fork) for step in self.steps)

    def parallel(self) -> str:
        """The trajectory in the fork/join markup; threads are numbered from 1 in each block."""
        return self._written(_forked)

    def sequential(self) -> str:
        """The same steps with no markup: every thread is a numbered line, one after the other."""
        return self._written(_in_line)

    def _written(self, write_fork: Callable[[Fork], str]) -> str:
        steps = "".join(write_fork(step) if isinstance(step, Fork) else f"{step}\n" for step in self.steps)
        return f"<think>\n{steps}</think>\n\\boxed{{{self.answer}}}"


def _forked(fork: Fork) -> str:
    numbered = list(enumerate(fork.threads, start=1))
    outlines = "".join(f"<Outline>{n}: {thread.outline}</Outline>\n" for n, thread in numbered)
    threads = "".join(f"<Thread>\n{n}: {thread.body}\n</Thread>" for n, thread in numbered)
    return f"<Parallel>\n<Outlines>\n{outlines}</Outlines>\n{threads}\n</Parallel>\n"


def _in_line(fork: Fork) -> str:
    return "".join(f"{n}: {thread.body}\n" for n, thread in enumerate(fork.threads, start=1))
