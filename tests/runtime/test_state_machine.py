"""Decode, fork, join, and on."""

import asyncio

import pytest

from tests.runtime.play import ANSWER, OUTLINES, TRAJECTORY, kinds, play, table, threads
from weaver_sdk.errors import APIStatusError, BackendError
from weaver_sdk.markup import THREADWEAVER, is_well_formed
from weaver_sdk.options import Budget
from weaver_sdk.result import Fork, Segment
from weaver_sdk.testing import Reply, ScriptedBackend, fork_join_script


async def test_a_fork_is_worked_out_and_joined_byte_for_byte() -> None:
    backend = ScriptedBackend(table())
    result = await play(backend)
    assert result.text == TRAJECTORY
    assert result.answer == "42"
    assert result.finish == "stop"
    assert result.well_formed
    assert result.repairs == []
    assert result.no_fork_reason is None
    backend.assert_complete()


async def test_every_thread_continues_the_same_context_and_stops_at_its_own_end() -> None:
    backend = ScriptedBackend(table())
    await play(backend)
    first, *siblings, last = backend.requests
    context = OUTLINES + "</Outlines>"
    assert first.stop == ("</Outlines>",)
    assert [request.prefix for request in siblings] == [f"{context}\n<Thread>\n{n}:" for n in (1, 2)]
    assert all(request.stop == ("</Thread>",) for request in siblings)
    assert last.prefix == TRAJECTORY.removesuffix(ANSWER)
    assert {request.routing_key for request in backend.requests} == {"r1"}
    assert {request.shared.key for request in siblings if request.shared} == {"r1/1"}


async def test_all_threads_of_a_block_are_in_flight_at_once() -> None:
    outlines = "".join(f"<Outline>{n}: part</Outline>\n" for n in range(1, 9))
    arrived = asyncio.Barrier(8)

    def answer(request):  # type: ignore[no-untyped-def]
        if request.prefix == "":
            return f"<think>\n<Parallel>\n<Outlines>\n{outlines}</Outlines>"
        return "x</Thread>" if request.prefix.endswith(":") else ANSWER

    class Meeting(ScriptedBackend):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            if request.prefix.endswith(":"):
                await arrived.wait()  # would wait for ever if one of the eight were held back
            async for chunk in super().stream(request):
                yield chunk

    result = await play(Meeting(answer))
    assert len(threads(result)) == 8


async def test_no_more_completions_run_than_there_are_places() -> None:
    backend = ScriptedBackend(fork_join_script(1, before_tokens=50, thread_tokens=(5,) * 5))
    problem = fork_join_script(1, before_tokens=50, thread_tokens=(5,) * 5).trajectories[0].problem
    result = await play(backend, problem=problem, places=2)
    assert backend.most_running == 2
    assert len(threads(result)) == 5


async def test_blocks_follow_one_another() -> None:
    block = OUTLINES.removeprefix("<think>\n") + "</Outlines>"
    result = await play(
        [
            Reply("<think>\n" + block, "Q"),
            Reply(" one\n</Thread>", "<Thread>\n1:", times=2),
            Reply(" two\n</Thread>", "<Thread>\n2:", times=2),
            Reply("</Parallel>\n" + block, "</Thread>\n"),
            Reply(ANSWER, "</Thread>\n"),
        ]
    )
    assert [part.kind for part in result.trace] == ["segment", "fork", "segment", "fork", "segment"]
    assert result.well_formed
    assert [part.fork for part in result.trace if isinstance(part, Fork)] == [1, 2]


async def test_sequential_mode_writes_the_same_tags_as_plain_text() -> None:
    backend = ScriptedBackend({"Q": TRAJECTORY})
    result = await play(backend, mode="sequential")
    assert result.text == TRAJECTORY
    assert result.answer == "42"
    assert backend.requests[0].stop == ()
    assert [part.kind for part in result.trace] == ["segment"]
    assert result.no_fork_reason == "sequential_mode"
    assert result.telemetry.acceleration_ratio == 0
    assert result.telemetry.self_parallelism == 1


async def test_a_run_that_needs_no_fork_has_none() -> None:
    result = await play({"Q": "<think>\nEasy.\n</think>\n\\boxed{4}"})
    assert result.answer == "4"
    assert result.no_fork_reason == "no_tag"
    assert result.telemetry.forks == 0


async def test_escaped_tags_are_named_as_the_reason_for_no_fork() -> None:
    result = await play({"Q": "<think>\n&lt;Outlines&gt; 1: a\n</think>\n\\boxed{4}"})
    assert result.no_fork_reason == "escaped_tags"


INNER = " first\n<Parallel>\n<Outlines>\n<Outline>1: c</Outline>\n<Outline>2: d</Outline>\n</Outlines>"


def nested(request) -> str:  # type: ignore[no-untyped-def]
    """Thread 1 of the block forks itself once."""
    depth = request.prefix.count("<Outlines>") - request.prefix.count("</Parallel>")
    if request.prefix == "":
        return OUTLINES + "</Outlines>"
    if request.prefix.endswith("<Thread>\n1:") and depth == 1:
        return INNER
    if request.prefix.endswith(":"):
        return " x\n</Thread>"
    return "</Parallel>\ndone\n</Thread>" if depth == 2 else ANSWER


async def test_a_block_inside_a_thread_runs_where_the_depth_allows_it() -> None:
    result = await play(nested, budget=Budget(max_depth=2))
    outer = threads(result)
    assert [part.kind for part in outer[0].trace] == ["segment", "fork", "segment"]
    assert outer[0].outcome == "done"
    assert outer[1].trace == []
    assert result.telemetry.forks == 2
    assert result.telemetry.threads == 4
    assert result.answer == "42"
    assert result.text.count("<Thread>") == result.text.count("</Thread>") == 4


async def test_a_block_inside_a_thread_is_cut_off_where_it_is_not_allowed() -> None:
    result = await play(nested)
    assert threads(result)[0].text == " first\n"
    assert threads(result)[0].outcome == "eos"
    assert "thread_opened_block" in kinds(result)
    assert result.answer == "42"


async def test_tags_in_the_problem_are_data() -> None:
    problem = "<Parallel><Outlines><Outline>1: x</Outline></Outlines></think>\\boxed{9}"
    backend = ScriptedBackend({problem: "<think>\nno\n</think>\n\\boxed{4}"})
    result = await play(backend, problem=problem)
    assert result.answer == "4"
    assert result.telemetry.forks == 0
    assert len(backend.requests) == 1


async def test_markup_in_the_answer_is_text() -> None:
    written = (
        "<think>\nok\n</think>\nWrite <Outlines>\n<Outline>1: x</Outline>\n</Outlines> to fork. \\boxed{4}"
    )

    def answer(request):  # type: ignore[no-untyped-def]
        return written[len(request.prefix) :]

    result = await play(answer)
    assert result.text == written
    assert result.telemetry.threads == 0
    assert result.repairs == []


async def test_an_error_on_the_main_line_is_raised_with_what_was_done() -> None:
    down = Reply(error=APIStatusError("the server is down", status=503))
    with pytest.raises(BackendError, match="down") as caught:
        await play(table(after=down))
    partial = caught.value.result
    assert partial is not None
    assert partial.text == TRAJECTORY.removesuffix(ANSWER)
    assert partial.finish == "error"
    assert partial.telemetry.threads == 2


@pytest.mark.parametrize("width", [1, 2, 7])
async def test_how_the_text_is_cut_into_chunks_changes_nothing(width: int) -> None:
    result = await play(ScriptedBackend(table(), characters=width))
    assert result.text == TRAJECTORY
    assert result.well_formed


async def test_measures_add_up() -> None:
    script = fork_join_script(1, thread_tokens=(40, 20, 60), after_tokens=10)
    problem = script.trajectories[0].problem
    told = (await play(script, problem=problem)).telemetry
    segments = told.total_tokens - 120
    assert told.critical_path_tokens == segments + 60
    assert told.acceleration_ratio == pytest.approx(1 - told.critical_path_tokens / told.total_tokens)
    assert told.self_parallelism == pytest.approx(told.total_tokens / told.critical_path_tokens)
    assert told.parallel_ratio == pytest.approx(120 / told.total_tokens)
    assert told.wall_seconds >= told.critical_path_seconds
    assert told.wall_seconds == pytest.approx(told.critical_path_seconds + told.overhead_seconds)
    assert told.tokens_from == "usage"
    assert told.requests == 5


async def test_without_usage_chunks_are_counted_and_named_as_the_source() -> None:
    answers = {when: Reply(text, usage=False) for when, text in table().items()}
    result = await play(answers)
    assert result.telemetry.tokens_from == "chunks"
    assert result.telemetry.total_tokens > 0


def test_the_scripted_trajectory_is_the_strict_form() -> None:
    assert is_well_formed(TRAJECTORY, THREADWEAVER)


async def test_text_and_trace_are_the_same_text() -> None:
    result = await play(table())
    told = "".join(part.text if isinstance(part, Segment) else part.joined for part in result.trace)
    assert told == result.text


async def test_a_template_that_opens_the_reasoning_leaves_the_trajectory_well_formed() -> None:
    problem = "Q<think>\n"
    opened = {when.replace("Q", problem): text for when, text in table().items()}
    opened[problem] = (OUTLINES + "</Outlines>").removeprefix("<think>\n")
    result = await play(opened, problem=problem)
    assert result.text == TRAJECTORY.removeprefix("<think>\n")
    assert result.well_formed
