"""Whether an answer can be read while it is written: what strategies say of themselves, and events tell."""

import pytest

from tests.runtime.play import new_run, table
from weaver_sdk import Event, Findings, Native, Scope, Voting
from weaver_sdk.findings import Draft
from weaver_sdk.strategies.bare import Bare
from weaver_sdk.strategies.strategy import Function, Strategy, program_of
from weaver_sdk.testing import ScriptedBackend


class Reading:
    name = "reading"

    async def run(self, scope: Scope) -> None:
        scope.write("It is 5.")

    def read(self, draft: Draft) -> Findings:
        return Findings(answer="5")


async def function(scope: Scope) -> None:
    scope.write("5")


@pytest.mark.parametrize(
    ("strategy", "is_text"),
    [
        (function, True),
        (Voting(), True),
        (Bare(), True),
        (Native(), False),
        (Reading(), False),
    ],
)
async def test_a_strategy_that_reads_its_answer_out_of_the_text_says_so(
    strategy: Strategy | Function, is_text: bool
) -> None:
    assert program_of(strategy).answer_is_text is is_text
    assert not program_of(strategy, answer="boxed").answer_is_text


async def test_the_first_event_tells_it() -> None:
    for strategy in (function, None):
        heard: list[Event] = []
        await new_run(ScriptedBackend(table()), strategy=strategy, listeners=(heard.append,)).execute()
        assert heard[0].kind == "run_started"
        assert heard[0].answer_is_text is (strategy is function)
