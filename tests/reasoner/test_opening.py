"""One opening for all who ask at once; what was opened for a session that cannot begin is closed again."""

import asyncio
from types import TracebackType

import pytest

from tests.reasoner.test_solving import PROBLEMS, SCRIPT, str_of_problem
from weaver_sdk import BackendError, ConfigurationError, ParallelReasoner
from weaver_sdk.backends.base import Backend
from weaver_sdk.testing import ScriptedBackend


class Starting:
    """An engine that is ready when the test says so, and counts its starts and stops."""

    def __init__(self, backend: Backend | None = None, *, ready: bool = False) -> None:
        self.began, self.ready = asyncio.Event(), asyncio.Event()
        if ready:
            self.ready.set()
        self.started = self.stopped = 0
        self._backend = backend or ScriptedBackend(SCRIPT)

    async def __aenter__(self) -> None:
        self.began.set()
        await self.ready.wait()
        self.started += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopped += 1

    def backend(self, **_: object) -> Backend:
        return self._backend


async def test_a_caller_that_gives_up_while_the_session_opens_takes_it_from_nobody_else() -> None:
    engine = Starting()
    async with asyncio.timeout(10):
        reasoner = ParallelReasoner(engine=engine, template=str_of_problem)
        first, second, third = (asyncio.create_task(reasoner.solve(PROBLEMS[n])) for n in range(3))
        await engine.began.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        engine.ready.set()
        assert [(await solving).answer for solving in (second, third)] == ["1", "2"]
        assert (await reasoner.solve(PROBLEMS[3])).answer == "3"
        assert (engine.started, engine.stopped) == (1, 0)
        await reasoner.aclose()
    assert engine.stopped == 1


async def test_closing_while_the_session_opens_ends_the_opening() -> None:
    engine = Starting()
    async with asyncio.timeout(10):
        reasoner = ParallelReasoner(engine=engine, template=str_of_problem)
        solving = asyncio.create_task(reasoner.solve(PROBLEMS[0]))
        await engine.began.wait()
        await reasoner.aclose()
        await asyncio.wait([solving])
    assert engine.started == 0


class NoTemplate(ScriptedBackend):
    """A server that is lost when it is asked for its chat template."""

    async def chat_template(self) -> None:
        raise BackendError("the server is gone")


@pytest.mark.parametrize(
    ("backend", "options", "error"),
    [
        (NoTemplate(SCRIPT), {}, BackendError),
        (ScriptedBackend(SCRIPT), {"prefix": "tokens"}, ConfigurationError),
        (ScriptedBackend(SCRIPT), {"models": {"small": "other"}}, ConfigurationError),
    ],
)
async def test_an_engine_that_runs_is_stopped_where_the_rest_of_the_opening_fails(
    backend: ScriptedBackend, options: dict[str, object], error: type[Exception]
) -> None:
    engine = Starting(backend, ready=True)
    reasoner = ParallelReasoner(engine=engine, **options)  # type: ignore[arg-type]
    for time in (1, 2):  # a failed opening is tried again
        with pytest.raises(error):
            await reasoner.solve(PROBLEMS[0])
        assert (engine.started, engine.stopped) == (time, time)
        assert backend.closed
