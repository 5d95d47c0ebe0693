"""What a program may trust when it asks a model: where the text goes, what counts, what ends it."""

from typing import Any

import pytest

from tests.runtime.play import run_program
from weaver_sdk.backends.base import Chunk
from weaver_sdk.errors import BackendError, ConfigurationError
from weaver_sdk.events import Event, SegmentDelta
from weaver_sdk.options import Budget, Sampling
from weaver_sdk.result import Segment
from weaver_sdk.runtime.scope import Scope
from weaver_sdk.testing import Reply, ScriptedBackend


async def test_a_reply_becomes_the_text_and_the_answer() -> None:
    async def program(scope: Scope) -> None:
        said = await scope.ask("6*7?")
        assert said.text == scope.text == "It is 42."
        assert (said.outcome, said.stopped_at, said.model) == ("done", None, "main")
        assert said.tokens == 3

    result = await run_program(program, {"6*7?": "It is 42."})
    assert result.text == result.answer == "It is 42."
    assert result.finish == "stop"
    assert result.strategy == "program"
    assert result.telemetry.requests == 1


async def test_a_question_on_the_side_is_in_the_trace_and_nowhere_else() -> None:
    events: list[Event] = []

    async def program(scope: Scope) -> None:
        aside = await scope.ask("aside?", keep=False)
        assert aside.text == "hm"
        assert scope.text == ""
        scope.write("written")

    result = await run_program(program, {"aside?": "hm"}, listeners=(events.append,))
    assert result.text == result.answer == "written"
    assert [(part.text, part.kept) for part in result.trace if isinstance(part, Segment)] == [
        ("hm", False),
        ("written", True),
    ]
    assert result.telemetry.total_tokens == 1
    assert [event.text for event in events if isinstance(event, SegmentDelta) and event.kept] == ["written"]


async def test_only_what_is_for_the_answer_is_the_answer() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("plan?", phase="plan")
        scope.write("\n", phase="reasoning")
        await scope.ask("think?", phase="reasoning")
        scope.write("\n", phase="reasoning")
        await scope.ask("answer?")
        scope.write("!")

    result = await run_program(program, {"plan?": "first", "think?": "then", "answer?": "42"})
    assert result.text == "first\nthen\n42!"
    assert result.answer == "42!"


async def test_a_program_that_writes_no_answer_has_none() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("Q", phase="reasoning")

    assert (await run_program(program, {"Q": "hm"})).answer is None


async def test_what_the_client_writes_costs_nothing() -> None:
    async def program(scope: Scope) -> None:
        scope.write("one ")
        scope.write("two")
        scope.write("")

    result = await run_program(program)
    assert result.text == result.answer == "one two"
    assert result.telemetry.total_tokens == result.telemetry.requests == 0


async def test_extend_goes_on_after_the_text() -> None:
    async def program(scope: Scope) -> None:
        scope.write("I say: ")
        said = await scope.extend()
        assert said.text == "one"
        await scope.extend()

    backend = ScriptedBackend([Reply("one"), Reply(" two")])
    result = await run_program(program, backend)
    assert result.text == "I say: one two"
    assert [request.prefix for request in backend.requests] == ["I say: ", "I say: one"]
    assert {request.prompt.text for request in backend.requests} == {"Q"}


async def test_extend_in_a_thread_goes_on_after_its_parents_text_and_its_own() -> None:
    async def work(scope: Scope, item: str) -> None:
        scope.write(f"[{item}]")
        await scope.extend()
        await scope.extend()

    async def program(scope: Scope) -> None:
        await scope.extend()
        await scope.fork(["a", "b"], work, join="")
        await scope.extend()

    backend = ScriptedBackend([Reply("start"), Reply("1", times=2), Reply("2", times=2), Reply("end")])
    result = await run_program(program, backend)
    assert result.text == "startend"
    assert sorted(request.prefix for request in backend.requests[1:5]) == [
        "start[a]",
        "start[a]1",
        "start[b]",
        "start[b]1",
    ]
    assert backend.requests[5].prefix == "start"


async def test_a_question_in_a_thread_starts_from_nothing() -> None:
    async def program(scope: Scope) -> None:
        scope.write("before")
        await scope.fork("ab", lambda one, item: one.ask(f"{item}?"))

    backend = ScriptedBackend([Reply("x", times=2)])
    await run_program(program, backend)
    assert [request.text for request in backend.requests] == ["a?", "b?"]


@pytest.mark.parametrize("characters", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("stops", ["trim", "keep", "ignore"])
async def test_a_stop_string_ends_the_text_whatever_the_server_does(characters: int, stops: Any) -> None:
    async def program(scope: Scope) -> None:
        said = await scope.ask("Q", stop=["###", "END"])
        assert said.text == "one two "
        assert said.outcome == "done"
        assert said.stopped_at is not None
        assert said.stopped_at.text == "END"

    backend = ScriptedBackend([Reply("one two END three ###", stops=stops)], characters=characters)
    result = await run_program(program, backend)
    assert result.text == "one two "
    assert backend.running == 0


async def test_what_might_have_become_a_stop_string_is_kept_at_the_end() -> None:
    async def program(scope: Scope) -> None:
        said = await scope.ask("Q", stop=["###"])
        assert (said.text, said.stopped_at) == ("one ##", None)

    assert (await run_program(program, {"Q": "one ##"})).text == "one ##"


async def test_extend_tells_that_the_sequence_ended_before_the_stop_string() -> None:
    async def program(scope: Scope) -> None:
        said = await scope.extend(stop=["###"])
        assert said.outcome == "eos"

    await run_program(program, {"Q": "no stop"})


async def test_one_stop_string_is_no_list_of_letters() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("Q", stop="END")

    with pytest.raises(ConfigurationError, match=r"stop='END': give a list of strings, such as \['END'\]"):
        await run_program(program, {"Q": "x"})


async def test_schema_grammar_sampling_and_task_go_to_the_server() -> None:
    schema = {"type": "object"}
    warm = Sampling(temperature=0.7)

    async def program(scope: Scope) -> None:
        await scope.ask("Q", schema=schema, sampling=warm)
        await scope.extend(grammar='root ::= "x"', task="Say x.")

    backend = ScriptedBackend([Reply("{}"), Reply("x")])
    await run_program(program, backend, sampling=Sampling(seed=3))
    first, second = backend.requests
    assert (first.json_schema, first.sampling, first.grammar) == (schema, warm, None)
    assert (second.grammar, second.task, second.sampling) == ('root ::= "x"', "Say x.", Sampling(seed=3))


@pytest.mark.parametrize(
    ("own", "budget", "sent"),
    [
        (3, None, 3),
        (3, Budget(total_tokens=20, reserve_tokens=0), 3),
        (50, Budget(total_tokens=20, reserve_tokens=0), 20),
        (None, Budget(total_tokens=20, reserve_tokens=0), 20),
        (None, None, None),
    ],
)
async def test_the_smaller_of_a_calls_limit_and_the_budget_holds(
    own: int | None, budget: Budget | None, sent: int | None
) -> None:
    async def program(scope: Scope) -> None:
        said = await scope.ask("Q", max_tokens=own)
        assert said.outcome == "length"
        assert said.tokens == own == 3

    backend = ScriptedBackend([Reply(" word" * 100, times=None)])
    if sent == own == 3:
        result = await run_program(program, backend, budget=budget)
        assert result.finish == "stop"
        assert result.text == " word word word"
    elif sent is not None:
        result = await run_program(program, backend, budget=budget)
        assert result.finish == "budget"
    else:
        with pytest.raises(AssertionError):
            await run_program(program, backend)
    assert backend.requests[0].max_tokens == sent


async def test_a_calls_limit_holds_where_the_server_takes_no_notice_of_it() -> None:
    class Unbounded(ScriptedBackend):
        async def _write(self, reply, request):  # type: ignore[no-untyped-def]
            for _ in range(100):
                yield Chunk(text=" word")

    async def program(scope: Scope) -> None:
        said = await scope.ask("Q", max_tokens=4)
        assert said.outcome == "length"

    assert (await run_program(program, Unbounded([Reply("")]))).text == " word" * 4


async def test_a_limit_of_less_than_one_token_is_refused() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("Q", max_tokens=0)

    with pytest.raises(ConfigurationError, match="max_tokens=0: use 1 or more"):
        await run_program(program, {"Q": "x"})


async def test_the_system_prompt_stands_before_a_question_but_not_the_problem() -> None:
    turns = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q"})

    async def program(scope: Scope) -> None:
        assert scope.messages == turns
        await scope.ask("other?")
        await scope.ask([{"role": "user", "content": "bare?"}])

    backend = ScriptedBackend([Reply("x", times=2)])
    await run_program(program, backend, messages=turns)
    assert [turn["content"] for turn in backend.requests[0].prompt.messages] == ["Be brief.", "other?"]
    assert [turn["content"] for turn in backend.requests[1].prompt.messages] == ["bare?"]


async def test_a_server_that_fails_on_the_main_line_fails_the_run_and_says_where() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("Q", phase="reasoning")
        await scope.ask("more")

    answers = {"Q": "kept", "more": Reply(" and", error=BackendError("broken"))}
    with pytest.raises(BackendError, match="broken") as caught:
        await run_program(program, answers)
    assert caught.value.__notes__ == ["in run r1, main line"]
    assert caught.value.result is not None
    assert caught.value.result.text == "kept and"
    assert caught.value.result.finish == "error"


async def test_a_program_may_go_on_after_a_server_failed() -> None:
    async def program(scope: Scope) -> None:
        try:
            await scope.ask("Q")
        except BackendError:
            scope.write("no answer")

    result = await run_program(program, {"Q": Reply("", error=BackendError("broken"))})
    assert (result.answer, result.finish) == ("no answer", "stop")


async def test_a_scope_is_dead_once_its_function_has_returned() -> None:
    kept: list[Scope] = []

    async def program(scope: Scope) -> None:
        kept.extend([scope, *await scope.fork("a", lambda one, _: one.ask("Q"))])

    await run_program(program, {"Q": "x"})
    for scope in kept:
        for use in (
            scope.ask("Q"),
            scope.extend(),
            scope.fork("a", lambda one, _: one.ask("Q")),
        ):
            with pytest.raises(RuntimeError, match="has ended: use a scope only within the function"):
                await use
        for act in (
            lambda: scope.write("x"),  # noqa: B023
            lambda: scope.each("a", lambda one, _: one.ask("Q")),  # noqa: B023
            lambda: scope.spawn("a", lambda one, _: one.ask("Q")),  # noqa: B023
        ):
            with pytest.raises(RuntimeError, match="has ended: use a scope only within the function"):
                act()
    assert [scope.text for scope in kept] == ["x", "x"]
