"""`ParallelReasoner.stream_sync`: a run is watched from code without an event loop."""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from weaver_sdk import APIStatusError, ConfigurationError, ParallelReasoner
from weaver_sdk.testing import Behaviour, Reply, ScriptedBackend, ScriptedServer, fork_join_script

SCRIPT = fork_join_script(2)
PROBLEM = SCRIPT.trajectories[1].problem


def scripted(backend: ScriptedBackend | None = None) -> ParallelReasoner:
    return ParallelReasoner(backend=backend or ScriptedBackend(SCRIPT), template="raw")


def test_the_answer_comes_as_text_and_then_the_result() -> None:
    with scripted().stream_sync(PROBLEM) as run:
        assert "".join(run.text()) == "\\boxed{1}"
        assert "after1" in "".join(run.reasoning())
    assert run.result.answer == "1"


def test_events_come_in_a_plain_loop() -> None:
    with scripted().stream_sync(PROBLEM) as run:
        kinds = [event.kind for event in run]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_finished")


def test_one_reasoner_takes_one_block_after_the_other_and_no_thread_is_left() -> None:
    reasoner = scripted()
    for _ in range(2):
        with reasoner.stream_sync(PROBLEM) as run:
            assert [*run.text()]
    assert reasoner.solve_sync(PROBLEM).answer == "1"
    assert "weaver-run" not in {thread.name for thread in threading.enumerate()}


async def test_leaving_early_ends_every_request_on_the_server() -> None:
    async with ScriptedServer(SCRIPT, behave=lambda _: Behaviour(broken_off="hung", after=3)) as server:

        def leave_early() -> str:
            reasoner = ParallelReasoner(base_url=server.base_url, template="raw")
            with reasoner.stream_sync(PROBLEM) as run:
                for _ in run.reasoning():
                    break
            return run.result.finish

        assert await asyncio.to_thread(leave_early) == "cancelled"
        await server.until_idle()
        assert server.aborted == 1


def test_cancel_ends_the_loop() -> None:
    backend = ScriptedBackend([Reply("<think>\nwell", hangs=True)])
    with scripted(backend).stream_sync(PROBLEM) as run:
        for _ in run.reasoning():
            run.cancel()
    assert run.result.finish == "cancelled"


def test_an_error_of_the_run_comes_out_of_the_loop() -> None:
    backend = ScriptedBackend([Reply("<think>\nwell", error=APIStatusError("down", status=400))])
    said = ""
    with pytest.raises(APIStatusError, match="down"), scripted(backend).stream_sync(PROBLEM) as run:
        for text in run.reasoning():
            said += text
    assert said == "well"


def test_an_error_of_ones_own_stops_the_run_and_comes_out_as_it_is() -> None:
    backend = ScriptedBackend([Reply("<think>\nwell", hangs=True)])
    with pytest.raises(ZeroDivisionError), scripted(backend).stream_sync(PROBLEM) as run:
        for _ in run.reasoning():
            raise ZeroDivisionError
    assert backend.running == 0


def test_it_is_read_within_its_block() -> None:
    run = scripted().stream_sync(PROBLEM)
    for read in (run.text, run.reasoning, run.__iter__):
        with pytest.raises(RuntimeError, match="within its block"):
            read()
    with pytest.raises(RuntimeError, match="no result yet"):
        _ = run.result


async def test_inside_a_loop_it_says_what_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"reasoner\.stream\("), scripted().stream_sync(PROBLEM):
        pass


INTERRUPTED = """
from weaver_sdk import ParallelReasoner
from weaver_sdk.testing import Reply, ScriptedBackend

backend = ScriptedBackend([Reply("<think>\\nwell", hangs=True)])
try:
    with ParallelReasoner(backend=backend, template="raw").stream_sync("Q") as run:
        for text in run.reasoning():
            print(text, flush=True)
except KeyboardInterrupt:
    print(run.result.finish, backend.running)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_stops_the_run_though_nothing_comes() -> None:
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "well\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "cancelled 0\n"
