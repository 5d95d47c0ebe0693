"""What a strategy is, and how one becomes the program of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.findings import Draft, Findings
from weaver_sdk.options import AnswerForm, Mode
from weaver_sdk.runtime.config import Program
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.strategies.answers import answer_of
from weaver_sdk.strategies.bare import Bare


@runtime_checkable
class Strategy(Protocol):
    """A way to bring a model to an answer: a program on a `Scope`.

    ```python
    class Voting:
        name = "voting"

        async def run(self, scope: Scope) -> None:
            drafts = await scope.fork(range(5), lambda one, _: one.ask(scope.messages), join="")
            scope.write(most_common(draft.text for draft in drafts))
    ```

    The text that the main line writes in the phase "answer" is the answer. A strategy may have further
    methods, each of which has a default: `Concludes`, `Reads` and `HasBaseline` say which.
    """

    @property
    def name(self) -> str:
        """How it is named in results."""
        ...

    async def run(self, scope: Scope) -> None:
        """Write the main line."""
        ...


@runtime_checkable
class Concludes(Protocol):
    """A strategy that knows how to answer when its budget is spent."""

    async def conclude(self, scope: Scope) -> None:
        """Write the answer out of what there is (`scope.text`, `scope.ended`), within the reserve."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A strategy whose answer is not simply the text of the phase "answer"."""

    def read(self, draft: Draft) -> Findings:
        """Return what came of a run. It is called at every end, early ones too."""
        ...


@runtime_checkable
class HasBaseline(Protocol):
    """A strategy with a sequential baseline of its own; else it is the bare question."""

    def sequential(self) -> Strategy:
        """Return what runs in `mode="sequential"`."""
        ...


Function = Callable[[Scope], Awaitable[object]]
"""A strategy that is just its `run`."""


def program_of(
    strategy: Strategy | Function, mode: Mode = "parallel", answer: AnswerForm = "text"
) -> Program:
    """Return a strategy, ready to run in one mode, whose answer has one form.

    Raises:
        ConfigurationError: it is no strategy.
    """
    name = _name(strategy)
    if mode == "sequential":
        strategy = strategy.sequential() if isinstance(strategy, HasBaseline) else Bare()
    if not isinstance(strategy, Strategy) and not callable(strategy):
        raise ConfigurationError(
            f"{strategy!r} is no strategy: give a name, an object with `name` and `async def run(self, "
            "scope)`, or an `async def` that takes a scope"
        )
    return Program(
        name=name,
        run=strategy.run if isinstance(strategy, Strategy) else strategy,
        conclude=strategy.conclude if isinstance(strategy, Concludes) else conclude,
        read=_reading(strategy.read if isinstance(strategy, Reads) else read, answer),
        answer_is_text=answer == "text" and not isinstance(strategy, Reads),
    )


async def conclude(scope: Scope) -> None:
    """Ask for the answer, out of what the main line holds and the threads that have ended."""
    threads = [(thread.label, thread.text.strip("\n")) for thread in scope.ended if thread.text.strip()]
    joined = f"\n\n{scope.text}\n\n"
    unjoined = [f"{label}: {text.strip()}" for label, text in threads if f"\n\n{text}\n\n" not in joined]
    work = "\n\n".join(filter(None, [scope.text.strip(), *unjoined]))
    asked = list(scope.messages)
    if work:
        asked += [{"role": "assistant", "content": work}, {"role": "user", "content": _ANSWER_NOW}]
    if scope.text and not scope.text.endswith("\n"):
        scope.write("\n\n", phase="reasoning")
    await scope.ask(asked)


_ANSWER_NOW = "There is no more time for further work. Give the answer now, out of the work above."


def read(draft: Draft) -> Findings:
    """Return the text of the phase "answer" as the answer."""
    return Findings(answer=draft.answer.strip() or None)


def _reading(reads: Callable[[Draft], Findings], answer: AnswerForm) -> Callable[[Draft], Findings]:
    """Return how a run is read; of an answer that was asked for in a box, the box alone counts."""

    def boxed(draft: Draft) -> Findings:
        found = reads(draft)
        return found if found.answer is None else replace(found, answer=answer_of(found.answer) or None)

    return reads if answer == "text" else boxed


def _name(strategy: object) -> str:
    name = getattr(strategy, "name", None) or getattr(strategy, "__name__", None)
    return name if isinstance(name, str) else type(strategy).__name__
