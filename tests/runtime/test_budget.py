"""Every limit holds while text streams; what is left of the budget goes into an answer."""

from dataclasses import replace

import pytest

from tests.clock import Clock
from tests.runtime.play import ANSWER, OUTLINES, kinds, new_run, play, table, threads
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.errors import BudgetError
from weaver_sdk.options import Budget
from weaver_sdk.result import Fork, Segment
from weaver_sdk.testing import Reply, ScriptedBackend

LONG = " word" * 1000
FORKED = {"Q": OUTLINES + "</Outlines>"}
LED = "</think>\n"


def long_threads(request: CompletionRequest) -> Reply:
    """Threads that would go on for ever; a model that answers once its reasoning is closed."""
    if request.prefix == "":
        return Reply(FORKED["Q"])
    if request.prefix.endswith(LED):
        return Reply("\\boxed{7}")
    if request.prefix.endswith(":"):
        return Reply(LONG)
    return Reply(ANSWER)


class Unbounded(ScriptedBackend):
    """A server that takes no notice of `max_tokens`."""

    def stream(self, request: CompletionRequest):  # type: ignore[no-untyped-def, override]
        return super().stream(replace(request, max_tokens=None))


@pytest.mark.parametrize("backend", [ScriptedBackend, Unbounded])
async def test_a_thread_is_cut_at_its_limit_and_the_run_goes_on(backend: type[ScriptedBackend]) -> None:
    result = await play(backend(long_threads), budget=Budget(thread_tokens=10))
    assert [thread.tokens for thread in threads(result)] == [10, 10]
    assert [thread.outcome for thread in threads(result)] == ["length", "length"]
    assert result.finish == "stop"
    assert result.answer == "42"


@pytest.mark.parametrize("backend", [ScriptedBackend, Unbounded])
async def test_the_whole_run_keeps_within_its_tokens_and_still_answers(
    backend: type[ScriptedBackend],
) -> None:
    result = await play(backend(long_threads), budget=Budget(total_tokens=200, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.answer == "7"
    assert result.telemetry.total_tokens <= 200
    assert "led_to_answer" in kinds(result)
    assert result.text.endswith("</Thread>\n</Parallel>\n</think>\n\\boxed{7}")


@pytest.mark.parametrize("backend", [ScriptedBackend, Unbounded])
async def test_the_critical_path_keeps_within_its_tokens(backend: type[ScriptedBackend]) -> None:
    result = await play(backend(long_threads), budget=Budget(critical_path_tokens=100, reserve_tokens=10))
    assert result.finish == "budget"
    assert result.answer == "7"
    assert result.telemetry.critical_path_tokens <= 100
    assert result.telemetry.total_tokens > 100


async def test_the_main_line_is_cut_too() -> None:
    def answer(request: CompletionRequest) -> str:
        return "\\boxed{7}" if request.prefix.endswith(LED) else "<think>\n" + LONG

    result = await play(answer, budget=Budget(total_tokens=50), mode="sequential")
    assert (result.finish, result.answer) == ("budget", "7")


async def test_on_exhausted_stop_ends_the_run_at_once() -> None:
    backend = ScriptedBackend(long_threads)
    result = await play(backend, budget=Budget(total_tokens=100, on_exhausted="stop"))
    assert result.finish == "budget"
    assert result.answer is None
    assert len(backend.requests) == 3
    assert len(threads(result)) == 2


async def test_an_answer_within_the_reserve_cannot_grow_beyond_it() -> None:
    def answer(request: CompletionRequest) -> str:
        return "<think>\n" + LONG if request.prefix == "" else LONG

    result = await play(answer, budget=Budget(total_tokens=80, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.telemetry.total_tokens == 80


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.mark.usefixtures("clock")
async def test_time_closes_threads_and_leads_to_an_answer() -> None:
    hanging = Reply(" so far", hangs=True)
    answers = [
        Reply(FORKED["Q"], "Q"),
        Reply(" one\n</Thread>", "1:"),
        replace(hanging, when="2:"),
        Reply("\\boxed{7}", LED),
    ]
    result = await play(answers, budget=Budget(seconds=40, reserve_seconds=5))
    assert result.finish == "budget"
    assert [thread.outcome for thread in threads(result)] == ["done", "timeout"]
    assert threads(result)[1].text == " so far"
    assert result.answer == "7"
    assert result.telemetry.wall_seconds == pytest.approx(35)


@pytest.mark.usefixtures("clock")
async def test_time_holds_for_the_answer_as_well() -> None:
    hanging = Reply("", hangs=True, times=None)
    result = await play([hanging], budget=Budget(seconds=20))
    assert result.finish == "budget"
    assert result.telemetry.wall_seconds == pytest.approx(20)


@pytest.mark.usefixtures("clock")
async def test_an_answer_after_the_time_ran_out_is_short_though_no_tokens_were_limited() -> None:
    """There is time left for a long one: nothing here takes any once the reserve is open."""

    def answer(request: CompletionRequest) -> Reply:
        return Reply(LONG) if request.prefix else Reply("<think>\nhm", hangs=True)

    result = await play(answer, budget=Budget(seconds=40, reserve_seconds=5, reserve_tokens=20))
    assert result.finish == "budget"
    assert result.text.endswith(" word" * 20)
    assert not result.text.endswith(" word" * 21)


@pytest.mark.usefixtures("clock")
async def test_what_was_spent_before_the_time_ran_out_takes_nothing_from_the_answer() -> None:
    def answer(request: CompletionRequest) -> Reply:
        return Reply(LONG) if request.prefix else Reply("<think>\n" + " well" * 50, hangs=True)

    result = await play(answer, budget=Budget(seconds=40, reserve_tokens=20))
    assert result.text.count(" well") == 50
    assert result.text.count(" word") == 20


@pytest.mark.usefixtures("clock")
async def test_time_spent_waiting_for_a_place_counts() -> None:
    result = await new_run(ScriptedBackend(table()), budget=Budget(seconds=10), places=0).execute()
    assert result.finish == "budget"
    assert result.telemetry.requests == 0


@pytest.mark.parametrize("budget", [Budget(max_depth=0), Budget(max_forks=0), Budget(max_threads=0)])
async def test_no_fork_is_made_where_none_is_allowed(budget: Budget) -> None:
    backend = ScriptedBackend({"Q": OUTLINES + "</Outlines>\n" + ANSWER})
    result = await play(backend, budget=budget)
    assert result.telemetry.forks == 0
    assert result.no_fork_reason in ("max_depth", "max_forks")
    assert backend.requests[0].stop == ()
    assert "forks_over_limit" in kinds(result)
    assert result.answer == "42"


async def test_the_limit_of_forks_leaves_later_outlines_as_text() -> None:
    again = "</Parallel>\n" + OUTLINES.removeprefix("<think>\n") + "</Outlines>\n" + ANSWER
    result = await play(table(after=again), budget=Budget(max_forks=1))
    assert result.telemetry.forks == 1
    assert "forks_over_limit" in kinds(result)
    assert result.answer == "42"


async def test_the_servers_own_limit_is_told_apart_from_ours() -> None:
    result = await play([Reply("<think>\nlong", finish_reason="length")])
    assert result.finish == "length"


@pytest.mark.parametrize(
    "limits",
    [{"total_tokens": 0}, {"seconds": -1}, {"thread_tokens": -5}, {"max_depth": -1}, {"reserve_tokens": -1}],
)
def test_a_limit_below_zero_is_refused_in_one_line(limits: dict[str, int]) -> None:
    with pytest.raises(BudgetError, match=next(iter(limits))) as caught:
        Budget(**limits)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_unknown_word_for_exhaustion_is_refused() -> None:
    with pytest.raises(BudgetError, match="answer"):
        Budget(on_exhausted="panic")  # type: ignore[arg-type]


async def test_the_critical_path_is_held_inside_nested_blocks_too() -> None:
    inner = " so\n<Parallel>\n<Outlines>\n<Outline>1: c</Outline>\n<Outline>2: d</Outline>\n</Outlines>"

    def answer(request: CompletionRequest) -> Reply:
        if request.prefix == "":
            return Reply(FORKED["Q"])
        if request.prefix.endswith(LED):
            return Reply("\\boxed{7}")
        if request.prefix.count("<Outlines>") == 1 and request.prefix.endswith("1:"):
            return Reply(inner)
        return Reply(LONG)

    budget = Budget(critical_path_tokens=150, reserve_tokens=10, max_depth=2)
    result = await play(ScriptedBackend(answer), budget=budget)
    assert result.telemetry.forks == 2
    assert result.telemetry.critical_path_tokens <= 150
    assert (result.finish, result.answer) == ("budget", "7")


def forks_inside(inside: str, after: str):  # type: ignore[no-untyped-def]
    """Thread 1 forks itself: the threads inside it write `inside`, and after their join it writes `after`."""
    inner = " so\n<Parallel>\n<Outlines>\n<Outline>1: c</Outline>\n<Outline>2: d</Outline>\n</Outlines>"

    def answer(request: CompletionRequest) -> Reply:
        depth = request.prefix.count("<Outlines>")
        if request.prefix == "":
            return Reply(FORKED["Q"])
        if depth == 1:
            return Reply(inner if request.prefix.endswith("1:") else " two\n</Thread>")
        if request.prefix.endswith(":"):
            return Reply(inside)
        open_threads = request.prefix.count("<Thread>") - request.prefix.count("</Thread>")
        return Reply(after if open_threads else ANSWER)

    return answer


async def test_of_threads_inside_a_thread_the_longest_counts_towards_its_limit() -> None:
    def answer(request: CompletionRequest) -> Reply:
        reply = forks_inside(" c" * 10 + "\n</Thread>", LONG)(request)
        second = request.prefix.count("<Outlines>") == 2 and request.prefix.endswith("2:")
        return Reply(" d" * 30 + "\n</Thread>") if second else reply

    result = await play(answer, budget=Budget(thread_tokens=100, max_depth=2))
    outer = threads(result)[0]
    before, inner, after = outer.trace
    assert isinstance(before, Segment)
    assert isinstance(inner, Fork)
    assert isinstance(after, Segment)
    assert [thread.outcome for thread in inner.threads] == ["done", "done"]
    short, long = (thread.tokens for thread in inner.threads)
    assert (short, long) == (12, 32)
    assert before.tokens + long + after.tokens == 100
    assert outer.tokens == 100 + short
    assert outer.outcome == "length"
    assert (result.finish, result.answer) == ("stop", "42")


async def test_a_thread_inside_a_thread_has_the_whole_limit_and_leaves_nothing_of_it() -> None:
    result = await play(forks_inside(LONG, LONG), budget=Budget(thread_tokens=100, max_depth=2))
    outer = threads(result)[0]
    inner = next(part for part in outer.trace if isinstance(part, Fork))
    assert [(thread.tokens, thread.outcome) for thread in inner.threads] == [(100, "length")] * 2
    assert [part.kind for part in outer.trace] == ["segment", "fork"]
    assert outer.outcome == "length"
    assert threads(result)[1].outcome == "done"
    assert (result.finish, result.answer) == ("stop", "42")
