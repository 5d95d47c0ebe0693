"""A bad thread never ends a run: it is closed, joined, marked, and the run goes on to its answer."""

import re

import pytest

from tests.runtime.play import ANSWER, OUTLINES, TRAJECTORY, kinds, play, table, threads
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.errors import APIStatusError, IdleTimeout, TruncatedStream
from weaver_sdk.options import Budget
from weaver_sdk.testing import Reply, ScriptedBackend


@pytest.mark.parametrize(
    ("reply", "outcome", "kind"),
    [
        (Reply(" tw", finish_reason="length"), "length", "thread_cut_by_length"),
        (Reply(" tw"), "eos", "thread_ended_early"),
        (Reply("</Thread>"), "empty", "thread_empty"),
        (Reply(" tw", error=APIStatusError("broken", status=500)), "error", "thread_failed"),
        (Reply(" tw", error=TruncatedStream("cut")), "error", "thread_failed"),
        (Reply(" tw", error=IdleTimeout("silent")), "timeout", "thread_timed_out"),
        (Reply(" tw<Thread>\n3: x</Thread>"), "eos", "thread_opened_thread"),
        (Reply(" tw\n</Parallel> x</Thread>"), "eos", "thread_closed_block"),
        (Reply(" tw\n</think> x</Thread>"), "eos", "thread_closed_think"),
        (Reply(" tw\n<Parallel>\n<Outlines>x</Thread>"), "eos", "thread_opened_block"),
        (Reply(" tw\n<Outlines>\nx</Thread>"), "eos", "thread_opened_block"),
        (Reply(" tw \\boxed{2}\n</Thread>"), "done", "thread_wrote_answer"),
        (Reply(" tw\n</THREAD>"), "done", "tag_spelling"),
    ],
)
async def test_a_bad_thread_is_closed_marked_and_joined(reply: Reply, outcome: str, kind: str) -> None:
    backend = ScriptedBackend(table(second=reply))
    result = await play(backend)
    good, bad = threads(result)
    assert good.outcome == "done"
    assert bad.outcome == outcome
    assert kind in kinds(result)
    assert all((repair.fork, repair.thread) == (1, 2) for repair in result.repairs)
    assert result.answer == "42"
    assert result.finish == "stop"
    assert result.text.count("<Thread>") == result.text.count("</Thread>") == 2
    assert result.text.endswith(ANSWER)
    backend.assert_complete()


async def test_what_a_failed_thread_had_written_is_kept_and_its_error_told() -> None:
    result = await play(table(second=Reply(" tw", error=APIStatusError("broken", status=500))))
    assert threads(result)[1].text == " tw"
    assert threads(result)[1].error == "broken"
    assert "2: tw\n</Thread>" in result.text


async def test_a_run_goes_on_even_if_every_thread_failed() -> None:
    down = APIStatusError("broken", status=500)
    result = await play(table(first=Reply(error=down), second=Reply(error=down)))
    assert [thread.outcome for thread in threads(result)] == ["error", "error"]
    assert result.answer == "42"


async def test_a_box_inside_a_thread_is_never_the_answer() -> None:
    result = await play(table(second=" \\boxed{7}\n</Thread>", after="</Parallel>\n</think>\n"))
    assert result.answer is None


def listing(outlines: str):  # type: ignore[no-untyped-def]
    """A run whose outlines are given; every thread writes one word."""

    def answer(request) -> str:  # type: ignore[no-untyped-def]
        if request.prefix == "":
            return f"<think>\n<Parallel>\n<Outlines>\n{outlines}\n</Outlines>"
        return " x\n</Thread>" if request.prefix.endswith(":") else ANSWER

    return answer


@pytest.mark.parametrize(
    ("outlines", "labels", "kind"),
    [
        ("<Outline>1: a\n<Outline>2: b</Outline>", ["1", "2"], "unclosed_outline"),
        (
            "<Outline>1: a</Outline>\n<Outline>1: b</Outline>\n<Outline>2: c</Outline>",
            ["1", "2", "3"],
            "outline_numbers",
        ),
        ("<Outline>1: a</Outline>\n<Outline>3: b</Outline>", ["1", "3"], "outline_numbers"),
        ("<Outline>0: a</Outline>\n<Outline>1: b</Outline>", ["0", "1"], "outline_numbers"),
        ("<Outline>1.1: a</Outline>\n<Outline>1.2: b</Outline>", ["1.1", "1.2"], "outline_numbers"),
        ("<Outline>1: only</Outline>", ["1"], "single_outline"),
        ("<outline>1: a</outline>\n<outline>2: b</outline>", ["1", "2"], "tag_spelling"),
    ],
)
async def test_odd_outlines_are_read_and_marked(outlines: str, labels: list[str], kind: str) -> None:
    result = await play(listing(outlines))
    assert [thread.label for thread in threads(result)] == labels
    assert re.findall(r"<Thread>\n([\d.]+):", result.text) == labels
    assert kind in kinds(result)
    assert result.answer == "42"


async def test_outlines_without_a_block_tag_fork_all_the_same() -> None:
    result = await play(table(open=OUTLINES.replace("<Parallel>\n", "") + "</Outlines>"))
    assert len(threads(result)) == 2
    assert "missing_block_tag" in kinds(result)


async def test_outlines_that_cannot_be_read_do_not_stop_the_run() -> None:
    result = await play(
        {
            "Q": "<think>\n<Parallel>\n<Outlines>\n</Outlines>",
            "</Outlines>": "\n</Parallel>\nfine\n</think>\n\\boxed{1}",
        }
    )
    assert result.answer == "1"
    assert result.no_fork_reason == "unreadable_outlines"
    assert "unreadable_outlines" in kinds(result)


async def test_a_model_that_closes_empty_outlines_for_ever_is_stopped_by_the_limit_of_forks() -> None:
    def answer(request):  # type: ignore[no-untyped-def]
        if "</Outlines>" in request.stop:
            return "<Outlines>\n</Outlines>"
        return "</think>\n\\boxed{1}"

    result = await play(answer, budget=Budget(max_forks=3))
    assert result.text.count("</Outlines>") == 3
    assert result.answer == "1"


async def test_an_end_of_sequence_inside_the_outlines_forks_on_what_is_there() -> None:
    result = await play({**table(open=Reply(OUTLINES)), "Q": Reply(OUTLINES)})
    assert len(threads(result)) == 2
    assert "unclosed_outlines" in kinds(result)
    assert result.answer == "42"


async def test_an_end_of_sequence_right_after_the_join_is_mended_once() -> None:
    result = await play(
        [
            *[Reply(text, when) for when, text in table().items() if when != "</Thread>\n"],
            Reply("", "</Thread>\n"),
            Reply("So 42.\n</think>\n\\boxed{42}", "</Parallel>\n"),
        ]
    )
    assert result.text == TRAJECTORY
    assert kinds(result) == ["unclosed_block"]


async def test_reasoning_that_ends_without_an_answer_is_led_to_one() -> None:
    result = await play([Reply("<think>\nhm", "Q"), Reply("\\boxed{3}", "hm\n</think>\n")])
    assert result.answer == "3"
    assert kinds(result) == ["unclosed_think"]


async def test_more_outlines_than_allowed_are_left_out_and_said() -> None:
    many = "\n".join(f"<Outline>{n}: x</Outline>" for n in range(1, 61))
    result = await play(listing(many))
    assert len(threads(result)) == 50
    assert "threads_over_limit" in kinds(result)


async def test_threads_on_the_main_line_are_text_and_said() -> None:
    result = await play(table(after="<Thread>\n3: more</Thread>" + ANSWER))
    assert "stray_tag" in kinds(result)
    assert result.answer == "42"


@pytest.mark.parametrize("stops", ["keep", "ignore", "trim"])
@pytest.mark.parametrize("names", [True, False])
async def test_every_habit_of_stopping_gives_the_same_text(stops: str, names: bool) -> None:
    replies = {when: Reply(text, stops=stops) for when, text in table().items()}  # type: ignore[arg-type]
    capabilities = Capabilities(reports_matched_stop=names)
    result = await play(ScriptedBackend(replies, capabilities=capabilities))
    assert result.text == TRAJECTORY
    assert result.well_formed
    assert result.repairs == []


async def test_a_resumed_stream_is_noted_where_it_happened() -> None:
    from weaver_sdk.backends.base import Chunk, CompletionRequest, Retry

    class Resuming(ScriptedBackend):
        async def stream(self, request: CompletionRequest):  # type: ignore[no-untyped-def, override]
            async for chunk in super().stream(request):
                yield chunk
                if request.prefix.endswith("2:") and chunk.text:
                    yield Chunk(retry=Retry(attempt=2, delay=0, reason="cut", resumed=True))

    result = await play(Resuming(table()))
    assert result.text == TRAJECTORY
    assert set(kinds(result)) == {"resumed_stream"}
    assert result.repairs[0].thread == 2
    assert result.telemetry.retries >= 1
