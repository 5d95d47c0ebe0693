"""`weaver doctor`: what was found, in words and as JSON, and the exit codes."""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.backends.test_examination import counting, kept_by
from weaver_sdk.backends.side_by_side import SideBySide
from weaver_sdk.cli.diagnosis import advice, consequences, rows
from weaver_sdk.doctor.report import Crowd, Drift, Endpoint, Repeated, ServerReport
from weaver_sdk.kept_measures import Measured, find_measure
from weaver_sdk.testing import Behaviour, Chat, ScriptedServer

GOOD = Endpoint(works=True, stops=True, names_stop=True, token_ids=True, counts_tokens=True)
GAINING = SideBySide(
    figure=2.5, alone=10.0, together=25.0, seconds=0.4, measured=datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
)
NONE = Endpoint(works=False, error="answered 404")
FOUND = ServerReport(
    base_url="http://h/v1",
    server="vllm",
    model="m",
    context_tokens=4096,
    api="completions",
    completions=GOOD,
    chat=GOOD,
    prefill="continue_final_message",
    prefill_found="continue_final_message",
    special_tags=True,
    drift=Drift(written=90, changed=0),
    repeated=Repeated(prompt_tokens=300, cached_tokens=288, first_seconds=0.2, second_seconds=0.1),
    crowd=Crowd(tried=8, accepted=8, alone_seconds=1.0, together_seconds=1.1),
    side_by_side=GAINING,
)


async def weaver(*arguments: str) -> tuple[int | None, str, str]:
    """Run the command in a process of its own, so that a server can run in this one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from weaver_sdk.cli import main; main()", "doctor", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_report_for_people() -> None:
    async with ScriptedServer(counting, chat=Chat(), routes=kept_by("someone")) as server:
        code, out, err = await weaver(server.base_url, "--concurrency", "2")
        assert server.base_url in out
    assert (code, err) == (0, "")
    assert "/chat/completions" in out
    assert "It asks /completions" in out


async def test_without_a_server_it_says_what_to_type() -> None:
    code, out, err = await weaver()
    assert (code, out) == (2, "")
    assert err == "weaver: no server named: weaver doctor http://…/v1 (or set WEAVER_BASE_URL)\n"


async def test_a_report_for_programs() -> None:
    async with ScriptedServer(counting, chat=Chat(only=True), refuses=("stop",)) as server:
        code, out, err = await weaver(server.base_url, "--json", "--concurrency", "1")
    told = json.loads(out)
    assert code == 0
    assert "'stop'" in err
    assert (told["api"], told["chat"]["refused_fields"]) == ("chat", ["stop"])
    assert any("cuts the text" in line for line in told["consequences"])
    assert told["advice"]


@pytest.mark.parametrize(("api", "found"), [("chat", "chat"), ("completions", None), ("auto", "chat")])
async def test_the_endpoint_that_is_named_is_the_one_that_counts(api: str, found: str | None) -> None:
    async with ScriptedServer(counting, chat=Chat(only=True)) as server:
        code, out, _ = await weaver(server.base_url, "--json", "--concurrency", "1", "--api", api)
    assert (json.loads(out)["api"], code) == (found, 0 if found else 1)
    async with ScriptedServer(counting, chat=Chat()) as server:
        code, out, _ = await weaver(server.base_url, "--json", "--concurrency", "1", "--api", "chat")
    assert (json.loads(out)["api"], code) == ("chat", 0)


async def test_an_endpoint_that_there_is_not() -> None:
    code, _, err = await weaver("http://127.0.0.1:9/v1", "--api", "fax")
    assert code == 2
    assert '"completions" or "chat"' in err


async def test_exit_codes() -> None:
    async with ScriptedServer(lambda _: None, chat=Chat()) as server:
        code, out, _ = await weaver(server.base_url)
        assert code == 1
        assert "Check the base_url" in out
        dead = server.base_url
    code, out, err = await weaver(dead)
    assert (code, out) == (1, "")
    assert "running" in err
    async with ScriptedServer(counting, behave=lambda _: Behaviour(), api_key="k") as server:
        code, _, err = await weaver(server.base_url, "--api-key", "sk-wrong")
        assert code == 1
        assert "sk-wrong" not in err


def test_nothing_is_advised_where_all_is_well() -> None:
    assert list(advice(FOUND)) == []
    assert [row.name for row in rows(FOUND) if row.good is False] == []
    assert list(consequences(FOUND)) == [
        "It asks /completions: every thread goes on after the exact text of its fork.",
        "`auto` forks, where a question divides.",
    ]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"api": None, "completions": NONE, "chat": NONE}, "base_url"),
        ({"api": "chat", "completions": NONE, "prefill": "ask", "prefill_found": None}, "/completions"),
        ({"api": "chat", "prefill": "ask", "prefill_found": "prefix"}, 'prefill="prefix"'),
        ({"api": "chat", "prefill": "ask", "prefill_found": None, "server": "deepseek"}, "/beta"),
        ({"completions": replace(GOOD, reasoning_apart=True)}, "reasoning parser"),
        ({"special_tags": False}, "--special"),
        ({"drift": Drift(written=90, changed=4)}, 'prefix="tokens"'),
        (
            {
                "repeated": Repeated(
                    prompt_tokens=9, cached_tokens=8, first_seconds=1, second_seconds=1, told_by="counters"
                )
            },
            "details",
        ),
        (
            {"repeated": Repeated(prompt_tokens=9, cached_tokens=None, first_seconds=1, second_seconds=1)},
            "details",
        ),
        (
            {"repeated": Repeated(prompt_tokens=9, cached_tokens=0, first_seconds=1, second_seconds=1)},
            "switch it on",
        ),
        (
            {
                "server": "llama.cpp",
                "repeated": Repeated(prompt_tokens=9, cached_tokens=0, first_seconds=1, second_seconds=1),
            },
            "embedded engine",
        ),
        ({"crowd": Crowd(tried=8, accepted=5, alone_seconds=1, together_seconds=1)}, "max_concurrency=5"),
        ({"side_by_side": replace(GAINING, figure=1.1)}, "gains no time"),
    ],
)
def test_what_is_advised(changes: dict[str, object], word: str) -> None:
    found = replace(FOUND, **changes)  # type: ignore[arg-type]
    assert any(word in line for line in advice(found))
    assert list(rows(found))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"api": None, "completions": NONE, "chat": NONE}, "Nothing"),
        ({"api": "chat"}, "by prefill"),
        ({"api": "chat", "prefill": "ask"}, "further turn"),
        ({"completions": replace(GOOD, refused_fields=("stop",))}, "cuts the text"),
        ({"completions": replace(GOOD, stops=False)}, "cuts the text"),
        ({"completions": replace(GOOD, names_stop=False)}, "open tag"),
        ({"side_by_side": replace(GAINING, figure=1.4)}, "does not fork"),
        ({"completions": replace(GOOD, counts_tokens=False)}, "token ids"),
        ({"completions": replace(GOOD, counts_tokens=False, token_ids=False)}, "pieces of text"),
    ],
)
def test_what_follows(changes: dict[str, object], word: str) -> None:
    assert any(word in line for line in consequences(replace(FOUND, **changes)))  # type: ignore[arg-type]


def test_a_way_of_prefill_that_the_model_does_not_follow_is_said() -> None:
    [row] = [row for row in rows(replace(FOUND, prefill_found=None)) if "going on" in row.name]
    assert row.good is False
    assert "did not go on" in row.found


@pytest.mark.parametrize(("figure", "good"), [(2.5, True), (1.0, False)])
def test_what_requests_at_once_gain_is_told_with_its_date(figure: float, good: bool) -> None:
    [row] = [
        row
        for row in rows(replace(FOUND, side_by_side=replace(GAINING, figure=figure)))
        if row.name == "4 streams at once"
    ]
    assert row.good is good
    assert f"{figure:.2f} times" in row.found
    assert "10.0 tokens a second for one, 25.0 for 4" in row.found
    assert "measured 2026-11-25 12:30 UTC" in row.found


def test_what_could_not_be_measured_is_said_so_and_nothing_is_advised() -> None:
    unknown = replace(FOUND, side_by_side=None)
    [row] = [row for row in rows(unknown) if "streams at once" in row.name]
    assert (row.good, row.found) == (None, "could not be measured")
    assert not [
        line for line in [*consequences(unknown), *advice(unknown)] if "fork" in line and "auto" in line
    ]


async def test_what_doctor_measures_is_kept_for_the_runs_that_follow() -> None:
    async with ScriptedServer(counting, routes=kept_by("someone"), pace=0.001) as server:
        code, out, _ = await weaver(server.base_url, "--json", "--concurrency", "1")
        kept = find_measure(Measured(server=server.base_url, model="m", streams=4))
    assert code == 0
    told = json.loads(out)["side_by_side"]
    assert kept is not None
    assert kept.side_by_side == told["figure"]
    assert kept.measured == datetime.fromisoformat(told["measured"])
