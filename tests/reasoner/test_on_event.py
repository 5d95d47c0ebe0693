"""What a listener raises comes out as it is, wherever the run was started and whichever event it was."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from tests.reasoner.test_solving import PROBLEMS, SCRIPT, scripted
from weaver_sdk import APIStatusError, Event, ParallelReasoner, Scope
from weaver_sdk.testing import ScriptedBackend

ON_THE_MAIN_LINE = ["run_started", "segment_delta", "fork_opened", "joined", "run_finished"]
IN_A_THREAD = ["thread_started", "thread_delta", "thread_finished"]
OF_A_REQUEST = ["request_started", "request_finished"]
KINDS = [*ON_THE_MAIN_LINE, *IN_A_THREAD, *OF_A_REQUEST, *(f"{kind} in a thread" for kind in OF_A_REQUEST)]


class Fault(Exception):
    """A fault in a user's code."""


class Listener:
    """Raises at the first event of a kind."""

    def __init__(self, kind: str, error: Exception | None = None) -> None:
        self.error = error or Fault(kind)
        self.raised = False
        self.called_again = False
        self._kind, _, self._in_thread = kind.partition(" in a ")

    def __call__(self, event: Event) -> None:
        self.called_again = self.called_again or self.raised
        in_thread = (
            getattr(event, "thread", None) or getattr(event, "request", 1) > 1
        )  # the first opens the run
        if event.kind == self._kind and (not self._in_thread or in_thread):
            self.raised = True
            raise self.error


Start = Callable[[ParallelReasoner, Listener], Awaitable[object]]


async def solve(reasoner: ParallelReasoner, listener: Listener) -> object:
    return await reasoner.solve(PROBLEMS[0], on_event=listener)


async def stream(reasoner: ParallelReasoner, listener: Listener) -> object:
    async with reasoner.stream(PROBLEMS[0], on_event=listener) as run:
        return [event async for event in run]


async def stream_unread(reasoner: ParallelReasoner, listener: Listener) -> object:
    """Nobody reads the events; the block is left when the run has ended."""
    async with reasoner.stream(PROBLEMS[0], on_event=listener) as run:
        while not listener.raised:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        return run


async def solve_many(reasoner: ParallelReasoner, listener: Listener) -> object:
    async with aclosing(reasoner.solve_many(PROBLEMS[:1], on_event=listener)) as results:
        return [result async for result in results]


async def solve_many_of_many(reasoner: ParallelReasoner, listener: Listener) -> object:
    async with aclosing(reasoner.solve_many(PROBLEMS, concurrency=3, on_event=listener)) as results:
        return [result async for result in results]


async def solve_sync(reasoner: ParallelReasoner, listener: Listener) -> object:
    return await asyncio.to_thread(reasoner.solve_sync, PROBLEMS[0], on_event=listener)


STARTS: list[Start] = [solve, stream, stream_unread, solve_many, solve_many_of_many, solve_sync]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
async def test_it_comes_out_unwrapped_and_nothing_goes_on(start: Start, kind: str) -> None:
    backend, listener = ScriptedBackend(SCRIPT), Listener(kind)
    with pytest.raises(Fault) as caught:
        await start(scripted(backend), listener)
    assert caught.value is listener.error
    assert backend.running == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [solve, stream, solve_many, solve_sync], ids=lambda start: start.__name__)
async def test_a_listener_that_raised_is_not_called_again_in_that_run(start: Start, kind: str) -> None:
    listener = Listener(kind)
    with pytest.raises(Fault):
        await start(scripted(), listener)
    assert not listener.called_again


@pytest.mark.parametrize(
    "kind", ["segment_delta", "fork_opened", "thread_delta", "request_finished in a thread"]
)
@pytest.mark.parametrize("start", [solve, stream, solve_many, solve_sync], ids=lambda start: start.__name__)
async def test_an_error_like_the_servers_is_not_taken_for_one(start: Start, kind: str) -> None:
    """A listener may ask a server too: its failure is no thread's outcome, and no problem that failed."""
    backend, listener = ScriptedBackend(SCRIPT), Listener(kind, APIStatusError("my own", status=500))
    with pytest.raises(APIStatusError) as caught:
        await start(scripted(backend), listener)
    assert caught.value is listener.error
    assert not getattr(caught.value, "__notes__", [])
    assert backend.running == 0


@pytest.mark.parametrize("way", ["fork", "each", "spawn"])
@pytest.mark.parametrize("kind", IN_A_THREAD)
async def test_out_of_a_program_of_ones_own(way: str, kind: str) -> None:
    async def ask(scope: Scope, item: str) -> None:
        await scope.ask(item)

    async def program(scope: Scope) -> None:
        if way == "fork":
            await scope.fork("abc", ask)
        elif way == "each":
            async with scope.each("abc", ask) as ended:
                async for _ in ended:
                    pass
        else:
            promises = [scope.spawn(item, ask) for item in "abc"]
            for promise in promises:
                await promise

    backend, listener = ScriptedBackend(lambda _: " one two three"), Listener(kind)
    reasoner = ParallelReasoner(backend=backend, strategy=program)
    with pytest.raises(Fault) as caught:
        await reasoner.solve("Q", on_event=listener)
    assert caught.value is listener.error
    assert backend.running == 0
