"""The scripted backend answers what is written down, and says when something else was asked."""

import asyncio
import re
from typing import Any

import pytest

from weaver_sdk import ParallelReasoner
from weaver_sdk.backends.base import Backend, Capabilities, CompletionRequest, Prompt
from weaver_sdk.errors import ConnectionFailed
from weaver_sdk.markup import THREADWEAVER, build_problem_messages
from weaver_sdk.testing import Reply, ScriptedBackend, fork_join_script


def asking(text: str, **more: object) -> CompletionRequest:
    return CompletionRequest(prompt=Prompt(text=text), **more)  # type: ignore[arg-type]


async def said(backend: ScriptedBackend, text: str, **more: object) -> str:
    return await collected(backend, asking(text, **more))


async def collected(backend: ScriptedBackend, request: CompletionRequest) -> str:
    return "".join([chunk.text async for chunk in backend.stream(request)])


def test_it_is_a_backend() -> None:
    assert isinstance(ScriptedBackend([]), Backend)
    assert ScriptedBackend([], model="m").model == "m"


async def test_a_table_by_the_end_of_the_input() -> None:
    backend = ScriptedBackend({"2:": " two", "Q 2:": " the longer one", "1:": Reply(" one")})
    assert await said(backend, "x Q 2:") == " the longer one"
    assert await said(backend, "x 2:") == " two"
    assert await said(backend, "x 1:") == " one"
    assert [request.text for request in backend.requests] == ["x Q 2:", "x 2:", "x 1:"]
    backend.assert_complete()


def asking_in_turns(question: Any, **more: Any) -> CompletionRequest:
    """As a dialect with an instruction asks it."""
    turns = tuple(build_problem_messages([{"role": "user", "content": question}], THREADWEAVER))
    return CompletionRequest(prompt=Prompt(text="whatever the template says", messages=turns), **more)


@pytest.mark.parametrize(
    "question",
    ["What is 2+2?", "What is 2+2?\n", "  What is 2+2?", [{"type": "text", "text": "What is 2+2?"}]],
)
async def test_a_table_by_question_whatever_instruction_and_template_follow(question: Any) -> None:
    backend = ScriptedBackend({"What is 2+2?": "four", "2?": "other"})
    assert await collected(backend, asking_in_turns(question)) == "four"
    with pytest.raises(AssertionError):
        await collected(backend, asking_in_turns(question))


async def test_a_question_is_not_the_beginning_of_another() -> None:
    backend = ScriptedBackend({"What is 2": "no", "What is 2+2?": "four"})
    with pytest.raises(AssertionError):
        await collected(backend, asking_in_turns("What is 2+2? And 3+3?"))
    assert await collected(backend, asking_in_turns("What is 2+2?")) == "four"


async def test_what_goes_on_with_a_text_is_not_the_question() -> None:
    backend = ScriptedBackend({"What is 2+2?": Reply("fork", times=None), "2:": " second"})
    assert await collected(backend, asking_in_turns("What is 2+2?")) == "fork"
    assert await collected(backend, asking_in_turns("What is 2+2?", prefix="<Thread>\n2:")) == " second"


@pytest.mark.parametrize("template", ["raw", "chatml", "auto"])
@pytest.mark.parametrize("strategy", ["native", "prompted"])
async def test_a_reasoner_asks_the_question_of_the_table(template: str, strategy: Any) -> None:
    backend = ScriptedBackend({"What is 2+2?": "<think>\nEasy.\n</think>\n\\boxed{4}", "3+3?": "no"})
    result = await ParallelReasoner(backend=backend, template=template, strategy=strategy).solve(
        "What is 2+2?"
    )
    assert result.answer == "4"


async def test_a_list_in_order() -> None:
    backend = ScriptedBackend(["first", Reply("any", times=None), Reply("second", re.compile("Q"), times=2)])
    assert [await said(backend, text) for text in "QQQ"] == ["first", "any", "any"]
    with pytest.raises(AssertionError, match=r"never requested: re.compile\('Q'\)"):
        backend.assert_complete()


async def test_a_reply_for_what_a_test_of_ones_own_says() -> None:
    backend = ScriptedBackend([Reply("deep", lambda request: request.max_tokens == 7, times=2)])
    assert await said(backend, "x", max_tokens=7) == "deep"
    assert await said(backend, "x", max_tokens=7) == "deep"
    backend.assert_complete()


async def test_what_is_not_scripted_fails_at_once_and_at_the_end() -> None:
    backend = ScriptedBackend({"1:": " one"})
    with pytest.raises(AssertionError, match="run 7"):
        await said(backend, "x 2:", where="run 7")
    with pytest.raises(AssertionError, match="not scripted: 'x 2:'"):
        backend.assert_complete()


async def test_a_function_and_a_script() -> None:
    backend = ScriptedBackend(lambda request: request.text.upper() if request.text == "abc" else None)
    assert await said(backend, "abc") == "ABC"
    with pytest.raises(AssertionError):
        await said(backend, "x")
    script = fork_join_script()
    problem = script.trajectories[0].problem
    assert await said(ScriptedBackend(script), problem) == script.text(problem)


async def test_how_it_ends() -> None:
    backend = ScriptedBackend([Reply("one two three", times=None)], characters=5)
    chunks = [chunk async for chunk in backend.stream(asking("Q", stop=("three",)))]
    assert [chunk.text for chunk in chunks] == ["one t", "wo ", ""]
    last = chunks[-1]
    assert (last.finish_reason, last.matched_stop) == ("stop", "three")
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (1, 3)
    quiet = ScriptedBackend(
        [Reply("a", finish_reason="content_filter", usage=False)], capabilities=Capabilities()
    )
    *_, last = [chunk async for chunk in quiet.stream(asking("Q"))]
    assert (last.finish_reason, last.matched_stop, last.usage) == ("content_filter", None, None)


async def test_errors_come_behind_the_text() -> None:
    backend = ScriptedBackend([Reply("one two", error=ConnectionFailed("gone"))])
    got = []
    with pytest.raises(ConnectionFailed):
        async for chunk in backend.stream(asking("Q")):
            got.append(chunk.text)
    assert got == ["one", " two"]
    assert (backend.finished, backend.aborted, backend.running) == (0, 0, 0)


async def test_it_counts_what_runs_and_what_is_given_up() -> None:
    backend = ScriptedBackend([Reply("a", hangs=True, times=None)])
    tasks = [asyncio.create_task(said(backend, "Q")) for _ in range(3)]
    while backend.running < 3:
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert (backend.running, backend.most_running, backend.aborted) == (2, 3, 1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (backend.running, backend.aborted) == (0, 3)
    stream = backend.stream(asking("Q"))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert backend.aborted == 4
    await backend.aclose()
    assert backend.closed


async def test_its_pace_is_kept_with_whatever_waits() -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    await said(ScriptedBackend(["one two three"], pace=0.5, sleep=note), "Q")
    assert waits == [0.5] * 3
