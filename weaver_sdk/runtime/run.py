"""One run: a strategy's program on the main line, held to its budget, with a result at every end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from weaver_sdk.errors import WeaverError
from weaver_sdk.events import Event, RunFinished
from weaver_sdk.result import Finish, Result
from weaver_sdk.runtime.budget_spent import BudgetSpent, spent_in
from weaver_sdk.runtime.config import RunConfig
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.runtime.state import RunState
from weaver_sdk.runtime.summary import summarize


class Run:
    """One problem on its way. `execute()` is called once.

    Args:
        config: what the run is given.
        listeners: called with every event, in this order.
    """

    def __init__(
        self,
        config: RunConfig,
        listeners: Sequence[Callable[[Event], None]] = (),
    ) -> None:
        self._config = config
        self._state = RunState(config, listeners)
        self._result: Result | None = None

    async def execute(self) -> Result:
        """Run to the end and return the result.

        Whatever ends the run early carries in its attribute `result` what was done: see `partial_result`.

        Raises:
            BackendError: the main line could not be decoded.
            Exception: what the strategy's own code, or a listener, raised.
        """
        state = self._state
        state.loop_began = asyncio.get_running_loop().time() - state.recorder.now()
        finish: Finish = "error"
        try:
            state.run_started()
            finish = await self._program()
        except asyncio.CancelledError as error:
            finish = "cancelled"
            self._end(error, finish)
            raise
        except Exception as error:
            self._end(error, finish)
            raise
        result = self._result = self._summary(finish)
        state.recorder.emit(RunFinished, result=result)
        return result

    def result(self) -> Result:
        """Return the run as far as it has come; `finish` is "cancelled" until it has ended."""
        return self._result or self._summary("cancelled")

    def raised_by_listener(self, error: BaseException) -> bool:
        """Return whether what ended the run is a listener's own error, of whatever kind."""
        return self._state.recorder.raised_by_listener(error)

    async def _program(self) -> Finish:
        """Run the strategy's program; where the budget is spent before its end, let it conclude."""
        state, program = self._state, self._config.program
        scope = Scope(state, state.main)
        try:
            try:
                await program.run(scope)
            finally:
                await scope._close()
        except (BudgetSpent, BaseExceptionGroup) as error:
            if spent_in(error) is None:
                raise
            await self._conclude()
            return "budget"
        return "length" if state.main_end is not None and state.main_end.by == "length" else "stop"

    async def _conclude(self) -> None:
        """Lead what there is to an answer, within the reserve."""
        state = self._state
        if self._config.budget.on_exhausted == "stop":
            return
        state.ledger.open_reserve()
        scope = Scope(state, state.main)
        try:
            await self._config.program.conclude(scope)
        except (BudgetSpent, BaseExceptionGroup) as error:
            if spent_in(error) is None:
                raise  # else the reserve is spent too: the text stays as it is
        finally:
            await scope._close()

    def _end(self, error: BaseException, finish: Finish) -> None:
        """Hand out what was done with what ends the run."""
        self._result = self._summary(finish)
        if isinstance(error, WeaverError):
            error.result = self._result
        else:
            error.__dict__["result"] = self._result
        self._state.recorder.emit(RunFinished, result=self._result)

    def _summary(self, finish: Finish) -> Result:
        state = self._state
        return summarize(self._config, state.main, state.recorder, finish, state.prompt)
