"""What a user may say of sampling, and what a run keeps for itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk import Budget, ConfigurationError, Fork, ParallelReasoner, Result, Sampling
from weaver_sdk.options import _OWNED
from weaver_sdk.testing import Reply, ScriptedBackend, fork_join_script

SCRIPT = fork_join_script(thread_tokens=(6, 5))
PROBLEM = SCRIPT.trajectories[0].problem


@pytest.mark.parametrize("name", _OWNED)
def test_a_field_that_a_run_sets_itself_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"'{name}'.*use "):
        Sampling(extra={"top_a": 0.1, name: 7})


def test_a_limit_on_tokens_belongs_to_the_budget() -> None:
    with pytest.raises(ConfigurationError, match=Budget.__name__):
        Sampling(extra={"max_tokens": 7})


@given(st.text(min_size=1), st.lists(st.text(min_size=1)))
def test_stop_strings_may_stand_in_either_place(own: str, further: list[str]) -> None:
    sampling = Sampling(stop=(own,), extra={"stop": further, "top_a": 1})
    assert sampling.stop == tuple(dict.fromkeys([own, *further]))
    assert sampling.as_fields() == sampling.extra == {"top_a": 1}


@pytest.mark.parametrize("stop", ["END", ["END"], ("END",)])
def test_one_stop_string_may_stand_by_itself(stop: Any) -> None:
    assert Sampling(stop=stop) == Sampling(extra={"stop": stop}) == Sampling(stop=("END",))
    assert Sampling(extra={"stop": None}) == Sampling()


@pytest.mark.parametrize("stop", [("",), 3, ("a", 3)])
def test_what_is_no_stop_string_is_refused(stop: Any) -> None:
    with pytest.raises(ConfigurationError, match="non-empty"):
        Sampling(stop=stop)
    with pytest.raises(ConfigurationError, match="non-empty"):
        Sampling(extra={"stop": stop})


async def solved(answers: Any, stop: str) -> tuple[Result, ScriptedBackend]:
    backend = ScriptedBackend(answers)
    async with ParallelReasoner(backend=backend, template="raw", sampling=Sampling(stop=(stop,))) as reasoner:
        return await reasoner.solve(PROBLEM), backend


async def test_a_users_stop_ends_the_main_line_as_the_end_of_the_sequence() -> None:
    result, _ = await solved([Reply("<think>\nSix.\n</think>\n\\boxed{6} END and more")], " END")
    assert (result.finish, result.answer) == ("stop", "6")
    assert result.text.endswith("\\boxed{6}")


async def test_a_users_stop_ends_a_thread_and_the_run_goes_on() -> None:
    result, backend = await solved(SCRIPT, " thread0.1.1")
    assert all(" thread0.1.1" in request.stops for request in backend.requests)
    threads = [thread for part in result.trace if isinstance(part, Fork) for thread in part.threads]
    assert [thread.outcome for thread in threads] == ["eos", "done"]
    assert threads[0].text.endswith(" thread0.1.0")
    assert result.answer == "0"
