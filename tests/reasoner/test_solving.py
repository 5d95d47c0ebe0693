"""`ParallelReasoner`: solve, stream, solve_many, solve_sync."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from weaver_sdk import (
    APIStatusError,
    Budget,
    ConfigurationError,
    Event,
    ParallelReasoner,
    Result,
    Sampling,
    WeaverError,
)
from weaver_sdk.testing import (
    Behaviour,
    Received,
    Reply,
    ScriptedBackend,
    ScriptedServer,
    fork_join_script,
)

SCRIPT = fork_join_script(8)
PROBLEMS = [trajectory.problem for trajectory in SCRIPT.trajectories]


def scripted(backend: ScriptedBackend | None = None, **options: object) -> ParallelReasoner:
    backend = backend or ScriptedBackend(SCRIPT)
    return ParallelReasoner(backend=backend, template=str_of_problem, **options)  # type: ignore[arg-type]


def str_of_problem(messages) -> str:  # type: ignore[no-untyped-def]
    return str(messages[-1]["content"]).splitlines()[0]


async def test_a_problem_goes_in_and_an_answer_comes_out() -> None:
    async with scripted() as reasoner:
        result = await reasoner.solve(PROBLEMS[3])
    assert result.answer == "3"
    assert result.model == "threadweaver-scripted"
    assert result.problem == PROBLEMS[3]
    assert result.telemetry.threads == 3


async def test_a_stream_tells_events_and_ends_with_the_result() -> None:
    async with scripted() as reasoner, reasoner.stream(PROBLEMS[0]) as run:
        kinds = {event.kind async for event in run}
    assert {"run_started", "fork_opened", "thread_delta", "joined", "run_finished"} <= kinds
    assert run.result.answer == "0"


async def test_many_problems_come_back_as_they_are_done_each_with_its_index() -> None:
    async with scripted() as reasoner:
        results = [result async for result in reasoner.solve_many(PROBLEMS, concurrency=3)]
    assert {result.index: result.answer for result in results} == {n: str(n) for n in range(8)}


async def test_a_problem_that_fails_does_not_stop_the_others() -> None:
    def answer(request):  # type: ignore[no-untyped-def]
        if request.prompt.text == PROBLEMS[2]:
            return Reply(error=APIStatusError("broken", status=500))
        return SCRIPT(request.text)

    solved: list[Result] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scripted(ScriptedBackend(answer)) as reasoner:
            async for result in reasoner.solve_many(PROBLEMS):
                solved.append(result)
    assert len(solved) == 7
    [error] = caught.value.exceptions
    assert error.__notes__[-1] == "problem 2"


async def test_leaving_solve_many_early_stops_what_runs() -> None:
    backend = ScriptedBackend(SCRIPT)
    async with scripted(backend) as reasoner:
        results = reasoner.solve_many(PROBLEMS)
        async for _ in results:
            break
        await results.aclose()
        assert backend.running == 0


async def test_leaving_solve_many_early_ends_its_runs_on_the_server() -> None:
    """The runs that go on would go on for ever, and those that wait do not begin."""

    def behave(received: Received) -> Behaviour | None:
        first = received.body["prompt"].startswith(PROBLEMS[0])
        return None if first else Behaviour(broken_off="hung", after=3)

    async with (
        ScriptedServer(SCRIPT, behave=behave) as server,
        ParallelReasoner(base_url=server.base_url, template=str_of_problem) as reasoner,
    ):
        async with aclosing(reasoner.solve_many(PROBLEMS, concurrency=4)) as results:
            assert (await anext(results)).index == 0
            while server.running < 3:
                await asyncio.sleep(0)
        await server.until_idle()
        assert server.aborted in (3, 4)  # the fifth problem may have begun when the first was done
        assert not any(received.body["prompt"] in PROBLEMS[5:] for received in server.completions)


async def test_leaving_solve_many_early_waits_until_its_runs_have_ended() -> None:
    def answer(request):  # type: ignore[no-untyped-def]
        text = SCRIPT(request.text)
        return text if PROBLEMS[0] in request.text else Reply(text, hangs=True)

    backend = ScriptedBackend(answer)
    events: list[Event] = []
    async with scripted(backend) as reasoner:
        async with aclosing(reasoner.solve_many(PROBLEMS, on_event=events.append)) as results:
            assert (await anext(results)).index == 0
            assert backend.running == 7
        assert (backend.running, backend.aborted) == (0, 7)
    ends = [event.result.finish for event in events if event.kind == "run_finished"]
    assert sorted(ends) == ["cancelled"] * 7 + ["stop"]


async def test_each_failed_problem_is_named_by_its_index() -> None:
    def answer(request):  # type: ignore[no-untyped-def]
        for n in (1, 4, 6):
            if request.text.startswith(PROBLEMS[n]):
                return Reply(error=APIStatusError(f"broken {n}", status=500))
        return SCRIPT(request.text)

    with pytest.raises(ExceptionGroup, match="3 problems failed") as caught:
        async with scripted(ScriptedBackend(answer)) as reasoner:
            _ = [result async for result in reasoner.solve_many(PROBLEMS, concurrency=2)]
    told = {str(error): error.__notes__[-1] for error in caught.value.exceptions}
    assert told == {f"broken {n}": f"problem {n}" for n in (1, 4, 6)}


async def test_problems_may_come_one_by_one_from_an_async_iterator() -> None:
    """A result is handed out while the next problem is still waited for, and none is read ahead of need."""
    coming: asyncio.Queue[str | None] = asyncio.Queue()
    read = 0

    async def problems() -> AsyncIterator[str]:
        nonlocal read
        while (problem := await coming.get()) is not None:
            read += 1
            yield problem

    async with (
        scripted() as reasoner,
        aclosing(reasoner.solve_many(problems(), concurrency=2)) as results,
    ):
        coming.put_nowait(PROBLEMS[0])
        assert (await anext(results)).answer == "0"
        for problem in (*PROBLEMS[1:], None):
            coming.put_nowait(problem)
        first = await anext(results)
        assert read <= 4
        rest = [result async for result in results]
    assert sorted(result.index for result in (first, *rest)) == [*range(1, 8)]  # type: ignore[type-var]
    assert {result.index: result.answer for result in rest}.items() <= {n: str(n) for n in range(8)}.items()


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_reading_the_problems_raises_comes_out_and_ends_the_runs(asynchronous: bool) -> None:
    def read() -> Iterator[str]:
        yield PROBLEMS[0]
        raise LookupError("no more of them")

    async def read_async() -> AsyncIterator[str]:
        for problem in read():
            yield problem

    backend = ScriptedBackend(lambda request: Reply(SCRIPT(request.text) or "", hangs=True))
    async with scripted(backend) as reasoner:
        with pytest.raises(LookupError, match="no more of them"):
            async for _ in reasoner.solve_many(read_async() if asynchronous else read()):
                pass
    assert backend.running == 0


async def test_a_slow_reader_of_results_is_not_overrun() -> None:
    read = 0

    def problems() -> Iterator[str]:
        nonlocal read
        for problem in PROBLEMS:
            read += 1
            yield problem

    async with scripted() as reasoner, aclosing(reasoner.solve_many(problems(), concurrency=2)) as results:
        await anext(results)
        for _ in range(10_000):  # however long it takes to come back
            await asyncio.sleep(0)
        assert read == 3


def test_solve_sync_needs_no_event_loop() -> None:
    assert scripted().solve_sync(PROBLEMS[1]).answer == "1"


async def test_solve_sync_inside_a_loop_says_what_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"await reasoner\.solve"):
        scripted().solve_sync(PROBLEMS[1])


async def test_the_call_goes_before_the_constructor() -> None:
    backend = ScriptedBackend(SCRIPT)
    async with scripted(backend, sampling=Sampling(temperature=1.0), budget=Budget(max_depth=0)) as reasoner:
        result = await reasoner.solve(PROBLEMS[0], sampling=Sampling(temperature=0.0), budget=Budget())
    assert backend.requests[0].sampling.temperature == 0.0
    assert result.telemetry.forks == 1


async def test_earlier_turns_stand_before_the_problem() -> None:
    backend = ScriptedBackend([Reply("<think>\n</think>\n\\boxed{1}")])
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    reasoner = ParallelReasoner(backend=backend, template="chatml")
    await reasoner.solve("And now?", history=history)
    prompt = backend.requests[0].prompt
    assert prompt.text.startswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n")
    assert [message["role"] for message in prompt.messages] == ["user", "assistant", "user"]


async def test_the_dialects_instruction_follows_the_problem() -> None:
    backend = ScriptedBackend([Reply("<think>\n</think>\n\\boxed{1}")])
    await ParallelReasoner(backend=backend, template="raw").solve("1+0?")
    assert backend.requests[0].prompt.text == (
        "1+0?\nLet's think step by step and output the final answer within \\boxed{}.\n"
    )


async def test_a_backend_that_the_user_gave_is_not_closed() -> None:
    backend = ScriptedBackend(SCRIPT)
    async with scripted(backend) as reasoner:
        await reasoner.solve(PROBLEMS[0])
    assert not backend.closed


async def test_a_closed_reasoner_opens_again_at_its_next_call() -> None:
    reasoner = scripted()
    await reasoner.solve(PROBLEMS[0])
    await reasoner.aclose()
    assert (await reasoner.solve(PROBLEMS[1])).answer == "1"


async def test_over_a_real_socket_the_one_model_of_a_server_is_found() -> None:
    async with ScriptedServer(SCRIPT, pace=0.0) as server:
        async with ParallelReasoner(base_url=server.base_url, template=str_of_problem) as reasoner:
            result = await reasoner.solve(PROBLEMS[5])
        assert result.answer == "5"
        assert result.model == "threadweaver-scripted"
        assert server.running == 0


async def test_cancelling_at_any_moment_leaves_no_request_on_the_server() -> None:
    async with (
        ScriptedServer(SCRIPT, pace=0.002) as server,
        ParallelReasoner(base_url=server.base_url, template=str_of_problem) as reasoner,
    ):
        await reasoner.solve(PROBLEMS[0])
        whole = 0.2
        for moment in range(50):
            task = asyncio.create_task(reasoner.solve(PROBLEMS[moment % 8]))
            await asyncio.wait([task], timeout=whole * moment / 50)
            task.cancel()
            await asyncio.wait([task])
            await server.until_idle()
        assert server.aborted > 0


@pytest.mark.parametrize("problem", ["", "  \n"])
async def test_an_empty_problem_is_refused(problem: str) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        await scripted().solve(problem)


async def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sequential"):
        await scripted().solve("Q", mode="fast")  # type: ignore[arg-type]


async def test_a_concurrency_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="concurrency"):
        await anext(scripted().solve_many(PROBLEMS, concurrency=0))


async def test_one_text_in_place_of_many_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give a list of problems"):
        await anext(scripted().solve_many(PROBLEMS[0]))


async def test_a_dead_port_is_told_in_one_line() -> None:
    with pytest.raises(WeaverError) as caught:
        await ParallelReasoner(model="m", base_url="http://127.0.0.1:9/v1", retries=0).solve("Q")
    assert "127.0.0.1:9" in str(caught.value)
    assert "\n" not in str(caught.value)
