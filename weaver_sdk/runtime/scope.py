"""`Scope`: what a strategy holds in its hands. A scope is one line of a run: the main line, or a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import TypeVar

from weaver_sdk.backends.base import Grammar, Prompt
from weaver_sdk.messages import Messages
from weaver_sdk.options import Sampling
from weaver_sdk.result import NoForkReason, Outcome, Phase, RepairKind
from weaver_sdk.runtime.asking import Asking, complete
from weaver_sdk.runtime.board import Board
from weaver_sdk.runtime.budget_spent import BudgetSpent
from weaver_sdk.runtime.completion import Completion
from weaver_sdk.runtime.forks import Form, Join, Label, Opened, Work
from weaver_sdk.runtime.lines import LiveThread, Spans
from weaver_sdk.runtime.siblings import Siblings
from weaver_sdk.runtime.speculation import Speculation
from weaver_sdk.runtime.state import RunState
from weaver_sdk.runtime.threads import Promise, close_all, each, fork
from weaver_sdk.runtime.view import View
from weaver_sdk.runtime.watch import Stop, watch_for

T = TypeVar("T")


class Scope(View):
    """A handle on one line of a run. It is dead once the function that it was given to returns.

    `ask` and `extend` may raise `BudgetSpent` (let it pass), `BackendError` where a completion cannot be had,
    and `ConfigurationError` for arguments that cannot be used.
    """

    def __init__(
        self,
        state: RunState,
        line: LiveThread,
        before: Spans = (),
        item: object = None,
        *,
        prompt: Prompt | None = None,
        siblings: Siblings | None = None,
        board: Board | None = None,
    ) -> None:
        super().__init__(state, line)
        self.item = item
        """What this thread works on; `None` on the main line."""
        self.board = board or Board()
        """Notes shared with the other threads of the same fork."""
        self._before = before
        self._prompt = prompt
        self._siblings = siblings
        self._last_outcome: Outcome | None = None
        self._spawned: list[Promise] = []
        self._spawn_board: Board | None = None

    def write(self, text: str, *, phase: Phase = "answer") -> None:
        """Add text of your own to the line. It costs no tokens."""
        self._live()
        if text:
            self._state.write(self._line, phase, text)

    def repaired(self, kind: RepairKind, done: str, *, fork: int | None = None) -> None:
        """Note in the result that something in a model's text was mended, and how.

        Args:
            kind: what was wrong.
            done: what was done about it, in words.
            fork: the number of the fork that it concerns; this line where not given.
        """
        self._state.recorder.repaired(kind, done, self._line.place if fork is None else (fork, None))

    def not_forked(self, reason: NoForkReason) -> None:
        """Note in the result why the run does not fork."""
        self._state.recorder.no_fork_reason = reason

    def prompt(self, messages: Messages, *, model: str = "main") -> Prompt:
        """Return a conversation as the server of a model takes it."""
        turns = tuple(messages)
        return Prompt(text=self._state.model(model).render(turns), messages=turns)

    async def ask(
        self,
        asked: str | Messages,
        *,
        phase: Phase = "answer",
        model: str = "main",
        stop: Stop = (),
        schema: Mapping[str, object] | None = None,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        logprobs: int = 0,
        keep: bool = True,
    ) -> Completion:
        """Put a question of its own to a model.

        Args:
            asked: a conversation, or the text of one question; the run's system prompt stands before that.
            phase: what the reply is for.
            model: which of the run's models is asked.
            stop: what ends the reply, beside the model.
            schema: a JSON schema that the reply is held to, where the server can.
            max_tokens: at most so many tokens; the budget may allow fewer.
            sampling: in place of the run's.
            logprobs: how many of the likeliest tokens to report in each place; 0: none.
            keep: whether the reply becomes part of the line's text.
        """
        if isinstance(asked, str):
            system = [turn for turn in self.messages if turn["role"] in ("system", "developer")]
            asked = [*system, {"role": "user", "content": asked}]
        asking = Asking(
            prompt=self.prompt(asked, model=model),
            watch=watch_for(stop, phase),
            phase=phase,
            keep=keep,
            model=model,
            max_tokens=max_tokens,
            sampling=sampling,
            schema=schema,
            logprobs=logprobs,
        )
        return await self._complete(asking)

    def speculate(
        self,
        asked: Messages,
        *,
        phase: Phase = "answer",
        model: str = "main",
        stop: Stop = (),
        max_tokens: int | None = None,
    ) -> Speculation:
        """Ask speculatively: the reply may be wanted, and the line goes on with something else meanwhile.

        Arguments are those of `ask`. Use it as `async with scope.speculate(…) as speculation:`.
        """
        self._live()
        asking = Asking(
            prompt=self.prompt(asked, model=model),
            watch=watch_for(stop, phase),
            phase=phase,
            keep=False,
            model=model,
            max_tokens=max_tokens,
        )
        return Speculation(self._state, self._line, asking)

    async def extend(
        self,
        *,
        prompt: Prompt | None = None,
        phase: Phase = "answer",
        model: str = "main",
        stop: Stop = (),
        grammar: Grammar | None = None,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        logprobs: int = 0,
        task: str = "",
    ) -> Completion:
        """Let a model go on after the line's text; a thread begins with the text of the line that forked it.

        Args:
            prompt: what the text answers; the run's conversation where not given.
            phase: what the new text is for.
            model: which of the run's models goes on.
            stop: what ends the new text, beside the model.
            grammar: a grammar that it is held to, where the server can.
            max_tokens: at most so many tokens; the budget may allow fewer.
            sampling: in place of the run's.
            logprobs: how many of the likeliest tokens to report in each place; 0: none.
            task: what is to be written next, in words, for servers that can only be asked to go on.
        """
        self._prompt = prompt or self._prompt or self.prompt(self.messages, model=model)
        asking = Asking(
            prompt=self._prompt,
            watch=watch_for(stop, phase),
            phase=phase,
            before=self._before,
            model=model,
            max_tokens=max_tokens,
            sampling=sampling,
            grammar=grammar,
            task=task,
            logprobs=logprobs,
        )
        return await self._complete(asking)

    async def fork(
        self,
        items: Iterable[T],
        work: Work[T],
        *,
        label: Label[T] = str,
        join: Join = None,
        quorum: int | None = None,
        phase: Phase = "answer",
    ) -> list[Scope]:
        """Work on all items at once, a thread each, and join the threads; return their scopes in order.

        What a server does to a thread is that thread's outcome. What `work` itself raises cancels the other
        threads and comes out as it is.

        Args:
            items: what the threads work on.
            work: called with a thread's scope and its item.
            label: what a thread is called, by its item.
            join: what the line holds of its threads: a text ("" for nothing), a function of their scopes, a
                `Stitching`, or, where not given, their texts with a blank line between them.
            quorum: so many threads that are `done` are enough: the rest are cancelled.
            phase: what the joined text is for.

        Raises:
            BudgetError: the budget allows no fork here, or fewer threads.
        """
        self._live()
        return await fork(self, items, work, Form(label=label, join=join, phase=phase), quorum)

    def each(
        self, items: Iterable[T], work: Work[T], *, label: Label[T] = str, join: Join = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Scope]]:
        """Work on all items at once, and get the threads as they end; leaving the block cancels the rest.

        ```python
        async with scope.each(drafts, improve) as ended:
            async for one in ended:
                if good(one.text):
                    return scope.write(one.text)
        ```

        Arguments and errors are those of `fork`; the threads' texts are not joined where `join` is not given.
        """
        self._live()
        return each(self, items, work, Form(label=label, join=join))

    def spawn(self, item: T, work: Work[T], *, label: Label[T] = str) -> Promise:
        """Start one thread without waiting for it; `await` what is returned to get its scope.

        It is cancelled where this scope's function ends before anybody waited for it.
        """
        self._live()
        self._spawn_board = self._spawn_board or Board()
        opened = Opened(self, [item], Form(label=label, join=""))
        opened.children[0].board = self._spawn_board
        promise = Promise(opened, work)
        self._spawned.append(promise)
        return promise

    async def _complete(self, asking: Asking) -> Completion:
        self._live()
        siblings, self._siblings = self._siblings, None
        share = None if siblings is None else partial(siblings.share, asking.model)
        completion = await complete(self._state, self._line, asking, share)
        if asking.keep:  # a limit that the strategy set itself cuts nothing short
            self._last_outcome = completion.outcome if completion.cut_by in ("budget", "server") else None
        return completion

    def _child(
        self, line: LiveThread, before: Spans, item: object, *, siblings: Siblings, board: Board
    ) -> Scope:
        return Scope(self._state, line, before, item, prompt=self._prompt, siblings=siblings, board=board)

    def _check_budget(self) -> None:
        """Raise where the budget of the run is spent."""
        by = self._state.ledger.spent(self._line, self._state.recorder.now())
        if by is not None:
            raise BudgetSpent(by)

    async def _close(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """End what was spawned and not waited for; the scope is dead after that."""
        try:
            await close_all(self._spawned)
        finally:
            self._alive = False
