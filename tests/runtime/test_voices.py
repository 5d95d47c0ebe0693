"""A run heard as text: its answer and its reasoning, while they are written."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assembled import by_sections
from tests.runtime.play import new_run, run_program, table
from weaver_sdk import Scope
from weaver_sdk.errors import APIStatusError, BackendError
from weaver_sdk.events import Event, SegmentDelta
from weaver_sdk.result import Phase
from weaver_sdk.runtime.run import Run
from weaver_sdk.runtime.stream import OnEvent, RunStream
from weaver_sdk.runtime.voices import Voice
from weaver_sdk.strategies.strategy import Function
from weaver_sdk.testing import Reply, ScriptedBackend

PARTS = '{"parts": [{"title": "Red"}, {"title": "Blue"}]}'


def listen(backend: ScriptedBackend, program: Function | None = None) -> RunStream:
    async def prepare(out: OnEvent) -> Run:
        return new_run(backend, strategy=program, listeners=(out,))

    return RunStream(prepare)


async def all_of(texts: AsyncIterator[str]) -> str:
    return "".join([text async for text in texts])


async def heard(backend: ScriptedBackend, program: Function | None = None) -> tuple[str, str]:
    """The answer and the reasoning."""
    async with listen(backend, program) as run:
        return await all_of(run.text()), await all_of(run.reasoning())


@given(characters=st.integers(1, 60))
async def test_neither_tags_nor_reasoning_are_in_the_text_however_it_is_cut(characters: int) -> None:
    answer, reasoning = await heard(ScriptedBackend(table(), characters=characters))
    assert (answer, reasoning) == ("\\boxed{42}", "Two parts.\nSo 42.\n")


async def test_what_threads_write_is_in_neither() -> None:
    said = "".join(await heard(ScriptedBackend(table(first=" eleven\n</Thread>"))))
    assert "eleven" not in said


async def test_text_comes_while_the_run_goes() -> None:
    backend = ScriptedBackend(table(open=Reply("<think>\n</think>\nWell, ", hangs=True)))
    async with listen(backend) as run:
        async for text in run.text():
            assert text in "Well, "
            assert backend.running == 1
            break
    assert backend.running == 0
    assert run.result.finish == "cancelled"


async def test_the_result_is_there_after_the_loop() -> None:
    async with listen(ScriptedBackend(table())) as run:
        _ = [text async for text in run.text()]
        assert run.result.answer == "42"


async def test_texts_and_events_may_be_read_at_once_or_one_after_the_other() -> None:
    async def events(run: RunStream) -> list[Event]:
        return [event async for event in run]

    async with listen(ScriptedBackend(table(), characters=1)) as run:
        answer, reasoning, all_events = await asyncio.gather(
            all_of(run.text()), all_of(run.reasoning()), events(run)
        )
        assert (answer, reasoning) == (await all_of(run.text()), await all_of(run.reasoning()))
    assert answer == "\\boxed{42}"
    assert all_events[-1].kind == "run_finished"


async def test_a_text_must_be_opened_before_it_is_read() -> None:
    run = listen(ScriptedBackend(table()))
    for open_too_soon in (run.text, run.reasoning):
        with pytest.raises(RuntimeError, match="async with"):
            open_too_soon()


@pytest.mark.parametrize("voice", ["text", "reasoning"])
async def test_an_error_comes_out_of_the_loop_after_the_text(voice: str) -> None:
    broken = Reply("<think>\nWell\n</think>\nSo", error=APIStatusError("down", status=400))
    said = ""
    with pytest.raises(BackendError, match="down"):
        async with listen(ScriptedBackend(table(open=broken))) as run:
            async for text in run.text() if voice == "text" else run.reasoning():
                said += text
    assert said == ("So" if voice == "text" else "Well\n")
    assert run.result.finish == "error"


async def test_an_error_before_the_run_comes_out_of_the_loop() -> None:
    async def prepare(out: OnEvent) -> Run:
        raise APIStatusError("no such model", status=404)

    with pytest.raises(APIStatusError, match="no such model"):
        async with RunStream(prepare) as run:
            _ = [text async for text in run.text()]


async def test_cancel_ends_the_loop() -> None:
    async with listen(ScriptedBackend(table(open=Reply("<think>\nwell\n", hangs=True)))) as run:
        said = ""
        async for text in run.reasoning():
            said += text
            if said == "well\n":
                run.cancel()
    assert run.result.finish == "cancelled"


async def test_an_answer_that_stands_in_the_reasoning_is_told_at_the_end() -> None:
    answer, _ = await heard(ScriptedBackend(table(after="</Parallel>\nSo \\boxed{42}.\n</think>")))
    assert answer == "42"


async def test_plans_and_side_questions_are_in_neither() -> None:
    async def program(scope: Scope) -> None:
        await scope.ask("plan", phase="plan", keep=False)
        await scope.ask("on the side", keep=False)
        scope.write("Notes first.", phase="reasoning")
        scope.write("\n  Yes.")

    said = await heard(ScriptedBackend({"plan": "1, 2", "on the side": "maybe"}), program)
    assert said == ("Yes.", "Notes first.")


async def test_a_joined_text_is_in_the_voice_of_its_phase() -> None:
    async def program(scope: Scope) -> None:
        async def work(one: Scope, item: str) -> None:
            one.write(item)
            if one.forks_left:
                await one.fork("n", work)

        await scope.fork("ab", work, phase="reasoning")
        await scope.fork("cd", work)

    assert await heard(ScriptedBackend([]), program) == ("c\n\nd", "a\n\nb")


async def test_an_answer_is_heard_in_order_while_its_threads_work() -> None:
    def answer(request):  # type: ignore[no-untyped-def]
        if "sections" in request.text:
            return PARTS
        return Reply("Roses.", hangs=True) if "'Red'" in request.text else "Sky."

    said = ""
    async with listen(ScriptedBackend(answer), by_sections) as run:
        async for text in run.text():
            said += text
            if said.endswith("Roses."):
                break
    assert said == "## Red\n\nRoses."
    result = await run_program(by_sections, lambda request: PARTS if "sections" in request.text else "Sky.")
    assert result.answer == "## Red\n\nSky.\n\n## Blue\n\nSky."
    assert await heard(
        ScriptedBackend(lambda request: PARTS if "sections" in request.text else "Sky."), by_sections
    ) == (result.answer, "")


def test_reasoning_beside_the_text_is_heard() -> None:
    told: list[tuple[Phase, bool]] = [("reasoning", True), ("plan", False), ("reasoning", False)]
    voice = Voice("reasoning")
    for phase, kept in told:
        voice.hear(SegmentDelta(run_id="r", at=0.0, text="", reasoning=f"a {phase}", phase=phase, kept=kept))
    assert voice.pieces == ["a reasoning"]
