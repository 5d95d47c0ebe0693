"""An error of the server says in which run, and in which of its lines, it came up."""

import pytest

from tests.reasoner.test_solving import PROBLEMS, SCRIPT, str_of_problem
from tests.runtime.play import OUTLINES, play, table, threads
from weaver_sdk import APIStatusError, Budget, Event, ParallelReasoner
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.testing import Behaviour, Reply, ScriptedBackend, ScriptedServer


def down() -> APIStatusError:
    return APIStatusError("broken", status=500)


def notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


@pytest.mark.parametrize("broken", ["open", "after"])
async def test_on_the_main_line(broken: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        await play(table(**{broken: Reply(" half", error=down())}))
    assert notes(caught.value) == ["in run r1, main line"]


async def test_in_a_thread() -> None:
    first, second = down(), down()
    result = await play(table(first=Reply(error=first), second=Reply(error=second)))
    assert [thread.error for thread in threads(result)] == ["broken", "broken"]
    assert notes(first) == ["in run r1, fork 1, thread 1"]
    assert notes(second) == ["in run r1, fork 1, thread 2"]


async def test_in_a_thread_of_a_thread() -> None:
    error = down()

    def answer(request: CompletionRequest) -> Reply:
        if request.prefix == "":
            return Reply(OUTLINES + "</Outlines>")
        if request.prefix.count("<Outlines>") == 1 and request.prefix.endswith("1:"):
            return Reply(OUTLINES.removeprefix("<think>\n") + "</Outlines>")
        if request.prefix.count("<Outlines>") == 2 and request.prefix.endswith("2:"):
            return Reply(error=error)
        return Reply(" x\n</Thread>" if request.stop else "</think>\n\\boxed{1}")

    await play(answer, budget=Budget(max_depth=2))
    assert notes(error) == ["in run r1, fork 2, thread 2"]


async def test_every_request_says_where_it_comes_from() -> None:
    backend = ScriptedBackend(table())
    await play(backend)
    main, one, two = "run r1, main line", "run r1, fork 1, thread 1", "run r1, fork 1, thread 2"
    assert [request.where for request in backend.requests] == [main, one, two, main]


async def test_over_http_it_is_the_run_that_the_events_tell() -> None:
    events: list[Event] = []
    async with ScriptedServer(SCRIPT, behave=lambda _: Behaviour(status=400)) as server:
        reasoner = ParallelReasoner(base_url=server.base_url, template=str_of_problem)
        with pytest.raises(APIStatusError) as caught:
            await reasoner.solve(PROBLEMS[0], on_event=events.append)
        await reasoner.aclose()
    assert notes(caught.value) == [f"in run {events[0].run_id}, main line"]
