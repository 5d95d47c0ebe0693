"""The same run over every endpoint: completions, chat by prefill, chat by asking; and which one is taken."""

from collections.abc import Sequence

import pytest

from weaver_sdk import ConfigurationError, ParallelReasoner, Result
from weaver_sdk.backends.base import Capabilities
from weaver_sdk.errors import APIStatusError
from weaver_sdk.events import Event, SegmentDelta, ThreadDelta
from weaver_sdk.testing import Chat, ScriptedBackend, ScriptedServer, fork_join_script

SCRIPT = fork_join_script(20, thread_tokens=(8, 5, 7))
PROBLEMS = [trajectory.problem for trajectory in SCRIPT.trajectories]
BY_PREFILL = Capabilities(api="chat", prefill="continue_final_message")
BY_ASKING = Capabilities(api="chat", prefill="ask")


def structure(events: Sequence[Event]) -> dict[tuple[int | None, int | None], list[str]]:
    """What happened on each line of a run, in order. Between the lines of a fork there is no order."""
    lines: dict[tuple[int | None, int | None], list[str]] = {}
    for event in events:
        place = (getattr(event, "fork", None), getattr(event, "thread", None))
        lines.setdefault(place, []).append(event.kind)
    return lines


async def solve_all(chat: Chat, **options: object) -> tuple[list[Result], list[object], ScriptedServer]:
    results, structures = [], []
    async with (
        ScriptedServer(SCRIPT, chat=chat) as server,
        ParallelReasoner("scripted", base_url=server.base_url, dialect="threadweaver", **options) as reasoner,  # type: ignore[arg-type]
    ):
        for problem in PROBLEMS:
            events: list[Event] = []
            results.append(await reasoner.solve(problem, on_event=events.append))
            structures.append(structure(events))
    return results, structures, server


async def test_twenty_questions_have_the_same_events_over_every_endpoint() -> None:
    over_completions, structures, server = await solve_all(Chat(), api="completions", template="raw")
    assert {request.path for request in server.completions} == {"/v1/completions"}
    for chat, capabilities in (
        (Chat(prefill="continue_final_message"), BY_PREFILL),
        (Chat(prefill="continue_final_message", repeats="all"), BY_PREFILL),
        (Chat(), BY_ASKING),
        (Chat(repeats="last line"), BY_ASKING),
    ):
        over_chat, same, server = await solve_all(chat, capabilities=capabilities)
        assert {request.path for request in server.completions} == {"/v1/chat/completions"}
        assert same == structures
        assert [r.answer for r in over_chat] == [r.answer for r in over_completions]
        assert [r.text for r in over_chat] == [SCRIPT.text(problem) for problem in PROBLEMS]
        assert all(r.well_formed and not r.repairs for r in over_chat)


async def test_auto_takes_completions_where_they_are_and_else_the_chat() -> None:
    for chat, path in ((Chat(), "/v1/completions"), (Chat(only=True), "/v1/chat/completions")):
        _, _, server = await solve_all(chat)
        assert {request.path for request in server.completions} == {path}


async def test_a_users_word_is_taken() -> None:
    _, _, server = await solve_all(Chat(), api="chat")
    assert {request.path for request in server.completions} == {"/v1/chat/completions"}
    with pytest.raises(APIStatusError, match="404"):
        await solve_all(Chat(only=True), api="completions")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"api": "smoke-signals"}, "smoke-signals"),
        ({"api": "chat", "template": "chatml"}, "template"),
        ({"backend": ScriptedBackend([]), "api": "chat", "base_url": None}, "backend"),
        ({"backend": ScriptedBackend([]), "capabilities": BY_ASKING, "base_url": None}, "backend"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ParallelReasoner(**{"base_url": "http://127.0.0.1:1/v1"} | given)  # type: ignore[arg-type]


async def test_no_template_is_looked_for_where_the_server_applies_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await solve_all(Chat(only=True))
    assert not [record for record in caplog.records if "template" in record.message]


async def test_reasoning_is_in_the_events_and_in_the_result_and_not_in_the_text() -> None:
    events: list[Event] = []
    chat = Chat(reasoning="Let me think.", only=True)
    async with (
        ScriptedServer(SCRIPT, chat=chat) as server,
        ParallelReasoner(base_url=server.base_url, dialect="threadweaver") as reasoner,
    ):
        result = await reasoner.solve(PROBLEMS[0], on_event=events.append)
    assert result.text == SCRIPT.text(PROBLEMS[0])
    thoughts = [part.reasoning for part in result.trace if part.kind == "segment"]
    threads = [thread for part in result.trace if part.kind == "fork" for thread in part.threads]
    assert thoughts + [thread.reasoning for thread in threads] == ["Let me think."] * 5
    deltas = [event for event in events if isinstance(event, SegmentDelta | ThreadDelta)]
    assert "".join(delta.reasoning for delta in deltas) == "".join(5 * ["Let me think."])
    assert not any(delta.text and delta.reasoning for delta in deltas)
    assert result.telemetry.total_tokens == sum(request.events for request in server.completions)
