"""What a run cost, in words."""

from dataclasses import replace

import pytest

from tests.cli.tape import a_result
from weaver_sdk.result import ModelUsage, Repair
from weaver_sdk.telemetry.report import cost_text, count_text, rows, seconds_text, text_report, timing_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"),
        (0.416, "0.42 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (99.94, "99.9 s"),
        (99.96, "1 min 40 s"),
        (125.4, "2 min 05 s"),
    ],
)
def test_seconds_as_people_read_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_counts_have_their_noun() -> None:
    assert [count_text(n, "token") for n in (0, 1, 1204)] == ["0 tokens", "1 token", "1,204 tokens"]


def test_the_line_of_a_run_that_forked() -> None:
    assert timing_line(a_result(cached=450).telemetry) == (
        "2.50 s wall · 2.25 s critical path · 100 tokens, 60 critical · self-parallelism 1.67 · "
        "75% of the input from the cache"
    )


def test_the_line_of_a_run_that_did_not_fork() -> None:
    assert timing_line(a_result(forks=0).telemetry) == "2.50 s wall · 100 tokens · 40 tok/s"


def test_a_run_that_did_not_fork_says_why() -> None:
    table = {row.name: row for row in rows(a_result(forks=0))}
    assert table["forks, threads"].meaning == "the model opened no block"
    assert "self-parallelism" not in table


def test_ends_that_may_be_made_up_are_table() -> None:
    assert "finish reasons" not in {row.name for row in rows(a_result())}
    table = text_report(replace(a_result(), reliable_finish=False)).splitlines()
    assert [line.split("  ")[0] for line in table if "unreliable" in line] == ["finish reasons"]


def test_the_table_is_plain_text() -> None:
    repairs = [Repair(kind="thread_cut_by_length", done="closed and joined", fork=1, thread=2)]
    assert text_report(a_result(repairs=repairs, cached=450)) == "\n".join(
        [
            "wall clock            2.50 s  from the problem to the answer",
            "critical path         2.25 s  what had to run in sequence",
            "overhead              0.25 s  wall clock minus critical path",
            "first token           0.10 s  after the problem was sent",
            "tokens                   100  as reported by the server",
            "on the critical path      60  tokens that had to come in sequence",
            "self-parallelism        1.67  tokens / those on the critical path",
            "acceleration ratio      0.40  1 − critical path / tokens",
            "parallel ratio          0.70  share of the tokens inside threads",
            "forks, threads          1, 3",
            "input tokens             600  450 from the cache, 75%",
            "requests                   5",
            "repaired: fork 1, thread 2, thread cut by length: closed and joined",
        ]
    )


def test_several_models_and_what_they_cost_are_told() -> None:
    assert not {"cost", "model main"} & {row.name for row in rows(a_result())}
    main = ModelUsage(
        model="big", requests=2, tokens=60, prompt_tokens=500, cached_prompt_tokens=None, cost=0.25
    )
    judge = ModelUsage(model="small", requests=1, tokens=40, prompt_tokens=None, cached_prompt_tokens=None)
    telemetry = replace(a_result().telemetry, models={"main": main, "judge": judge}, cost=0.25)
    told = {row.name: (row.value, row.meaning) for row in rows(replace(a_result(), telemetry=telemetry))}
    assert told["model main"] == ("60", "big, 2 requests, 500 input tokens, cost 0.2500")
    assert told["model judge"] == ("40", "small, 1 request")
    assert told["cost"] == ("0.2500", "by the prices that were given")


@pytest.mark.parametrize(
    ("cost", "text"), [(0.0, "0.00"), (1234.5, "1,234.50"), (0.0123, "0.0123"), (0.000021, "0.000021")]
)
def test_costs_as_people_read_them(cost: float, text: str) -> None:
    assert cost_text(cost) == text
