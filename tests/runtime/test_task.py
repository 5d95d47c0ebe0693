"""What a model that can only be asked to go on is told to write next."""

from tests.runtime.play import new_run, table
from weaver_sdk.testing import ScriptedBackend

PART = "Write only part {0} ({1}), and close it with </Thread>."
JOIN = "All parts are worked out. Now write </Parallel>, put them together, and finish the answer."


async def test_each_completion_has_its_task() -> None:
    backend = ScriptedBackend(table())
    await new_run(backend).execute()
    tasks = [request.task for request in backend.requests]
    assert tasks[0] == ""
    assert sorted(tasks[1:3]) == [PART.format(1, "a"), PART.format(2, "b")]
    assert tasks[3:] == [JOIN]


async def test_a_line_that_goes_on_elsewhere_just_goes_on() -> None:
    backend = ScriptedBackend(["<think>\nHm.", "\\boxed{1}"])
    await new_run(backend).execute()
    assert [request.task for request in backend.requests] == ["", ""]
