"""What is computed of a trace."""

from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.result import Fork, Segment, Thread, Trace
from weaver_sdk.telemetry import measures


def a_segment(prompt: int | None = None, cached: int | None = None, at: float = 0.0) -> Segment:
    first = None if prompt is None else at + 0.25
    return Segment(
        text="s",
        tokens=1,
        started=at,
        ended=at + 1,
        outcome="done",
        first_token=first,
        prompt_tokens=prompt,
        cached_prompt_tokens=cached,
    )


def a_thread(prompt: int | None = None, cached: int | None = None, trace: Trace | None = None) -> Thread:
    return Thread(
        label="1",
        outline="o",
        text="t",
        tokens=1,
        started=1.0,
        ended=2.0,
        outcome="done",
        prompt_tokens=prompt,
        cached_prompt_tokens=cached,
        trace=trace or [],
    )


def a_fork(*threads: Thread) -> Fork:
    return Fork(fork=1, threads=[*threads], started=1.0, ended=2.0, joined="j")


def test_a_join_costs_what_the_request_behind_it_computes() -> None:
    trace: Trace = [a_segment(100, 0), a_fork(a_thread(105, 100)), a_segment(150, 110), a_segment(200, 150)]
    assert measures.join_prefill_tokens(trace) == 40
    assert measures.join_seconds(trace) == 0.25


def test_a_fork_costs_what_its_threads_compute() -> None:
    trace: Trace = [a_segment(100, 0), a_fork(a_thread(105, 100), a_thread(105, 90)), a_segment(150, 110)]
    assert measures.fork_prefill_tokens(trace) == 20


def test_blocks_inside_threads_have_joins_too() -> None:
    inner: Trace = [a_segment(105, 100), a_fork(a_thread(110, 105)), a_segment(130, 112)]
    trace: Trace = [a_segment(100, 0), a_fork(a_thread(235, 212, inner)), a_segment(150, 110)]
    assert measures.join_prefill_tokens(trace) == 40 + 18
    assert measures.fork_prefill_tokens(trace) == 5 + 5
    assert measures.join_seconds(trace) == 0.5


def test_a_server_that_does_not_say_what_it_cached_leaves_the_costs_unknown() -> None:
    trace: Trace = [a_segment(100), a_fork(a_thread(105)), a_segment(150)]
    assert measures.join_prefill_tokens(trace) is None
    assert measures.fork_prefill_tokens(trace) is None


@st.composite
def a_line(draw: st.DrawFn) -> list[tuple[int, int | None]]:
    """Parts as `longest_path` takes them; what is waited for is waited for before the line's end."""
    count = draw(st.integers(0, 8))
    return [
        (draw(st.integers(0, 9)), draw(st.none() | st.integers(0, count - 1 - index)))
        for index in range(count)
    ]


def by_all_paths(parts: list[tuple[int, int | None]]) -> int:
    """The longest path from the start of a line to its end, by trying them all."""

    def start(index: int) -> int:
        """When a part can start: once all are over that the line waited for by then."""
        return max((start(one) + parts[one][0] for one in range(index) if waited(one, index)), default=0)

    def waited(one: int, index: int) -> bool:
        after = parts[one][1]
        return after is not None and one + 1 + after <= index

    return max((start(index) + length for index, (length, _) in enumerate(parts)), default=0)


@given(a_line())
def test_the_longest_path_is_the_longest_of_all_paths(parts: list[tuple[int, int | None]]) -> None:
    assert measures.longest_path(parts) == by_all_paths(parts)


def test_a_thread_that_runs_beside_the_line_counts_only_as_far_as_it_is_longer() -> None:
    assert measures.longest_path([(5, 1), (3, 0), (2, 0)]) == 7
    assert measures.longest_path([(2, 1), (3, 0), (2, 0)]) == 5
    assert measures.longest_path([(9, None), (3, 0)]) == 9
