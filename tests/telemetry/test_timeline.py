"""A timeline from events: the spans, whole or broken off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.tape import Tape, two_threads
from weaver_sdk.telemetry.timeline import build_timeline, ticks


def test_spans_have_the_times_of_their_events() -> None:
    timeline = build_timeline(two_threads().ends(2, "length", tokens=9, after=1.0).joins().events)
    [block] = timeline.blocks
    first, second = (lane.span for lane in block.threads)
    assert first is not None
    assert second is not None
    assert (first.text, first.tokens, first.outcome) == (" 47*86 = 4042\n", 12, "done")
    assert (second.started, second.first, second.ended) == pytest.approx((0.4, 0.6, 1.8))
    assert (block.opened, block.joined) == pytest.approx((0.4, 1.8))
    assert timeline.main[0].text.startswith("<think>")


def test_a_thread_that_never_started_has_no_span() -> None:
    timeline = build_timeline(Tape().start().fork("a", "b").send(1).ends(1).events)
    assert [lane.span is None for lane in timeline.blocks[0].threads] == [False, True]


def test_a_run_that_breaks_off_ends_with_its_last_event() -> None:
    timeline = build_timeline(two_threads().events)
    span = timeline.blocks[0].threads[1].span
    assert span is not None
    assert span.outcome is None
    assert span.ended == timeline.seconds
    assert timeline.result is None


def test_a_file_without_its_beginning_is_still_a_timeline() -> None:
    events = two_threads().ends(2).joins().events
    for start in range(len(events)):
        build_timeline(events[start:])


def test_repairs_and_retries_are_kept_where_they_belong() -> None:
    tape = two_threads().mends("thread_opened_block", "closed it", thread=2)
    tape.mends("unclosed_think", "closed", fork=None).retries("429")
    timeline = build_timeline(tape.events)
    span = timeline.blocks[0].threads[1].span
    assert span is not None
    assert span.repairs == ("thread opened block: closed it",)
    assert timeline.repairs == ("unclosed think: closed",)
    assert [reason for _, reason in timeline.retries] == ["429"]


def test_no_events_are_no_timeline() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        build_timeline([])


@given(st.floats(1e-4, 1e6), st.integers(2, 20))
def test_ticks_are_round_and_few(seconds: float, most: int) -> None:
    marks = ticks(seconds, most)
    assert 1 <= len(marks) <= most
    assert marks[0] == 0.0
    assert marks[-1] <= seconds * (1 + 1e-6)


def test_a_thread_that_asks_several_times_has_a_span_for_each() -> None:
    tape = Tape().start().fork("a").send(1).asks(1, thread=1).writes(1, "x").hears(1, tokens=7)
    tape.at = 1.0
    tape.asks(2, thread=1).writes(1, "good?", kept=False).hears(2, tokens=5).asks(3).ends(1, tokens=12)
    lane = build_timeline(tape.events).blocks[0].threads[0]
    assert [(span.started, span.first, span.tokens, span.text) for span in lane.requests] == [
        (0.0, 0.1, 7, "x"),
        (1.0, 1.1, 5, ""),
    ]
    assert lane.span is not None
    assert (lane.span.started, lane.span.ended, lane.span.tokens, lane.span.text) == (0.0, 1.1, 12, "x")


def test_a_request_that_breaks_off_ends_with_the_last_event() -> None:
    tape = Tape().start().fork("a").send(1).asks(1, thread=1).writes(1, "x").says("meanwhile", "reasoning")
    [span] = build_timeline(tape.events).blocks[0].threads[0].requests
    assert (span.ended, span.outcome) == (0.2, None)


def test_a_question_on_the_side_is_no_text_of_a_run_that_breaks_off() -> None:
    tape = Tape().start().says("plan", "plan", kept=False).says("So ", "reasoning").fork("late").send(1)
    timeline = build_timeline(tape.says("I go on", "reasoning").ends(1).joins(text="").says(".").events)
    assert timeline.text == "So I go on."
