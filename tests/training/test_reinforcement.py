"""Rewards, advantages, and what of a run is learned from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from training import grpo  # noqa: E402
from training.batches import collate  # noqa: E402
from training.grpo import Plan, Reward, advantages, reinforce  # noqa: E402
from training.model import Llama, Shape  # noqa: E402
from training.rollouts import run_units  # noqa: E402
from training.sft import edge_losses  # noqa: E402
from training.tasks import Problem, SumsOfProducts, problems  # noqa: E402
from training.trie import build  # noqa: E402
from training.units import units  # noqa: E402
from training.vocabulary import END, prompt  # noqa: E402
from weaver_sdk import ParallelReasoner  # noqa: E402
from weaver_sdk.backends.base import CompletionRequest  # noqa: E402
from weaver_sdk.result import Result  # noqa: E402
from weaver_sdk.testing import Reply, ScriptedBackend  # noqa: E402

pytestmark = pytest.mark.train

PROBLEM = next(problems(SumsOfProducts(max_terms=2), 5))


def played(text: str, *, cut_thread: int | None = None) -> Result:
    """A run of the real runtime in which the model writes `text`; a thread may be cut by the server."""

    def answer(request: CompletionRequest) -> Reply:
        written = request.prefix
        whole = {unit.context: unit.completion for unit in units("", text, whole=False)}
        rest = whole[written].removesuffix(END)
        if cut_thread is not None and written.endswith(f"<Thread>\n{cut_thread}:"):
            return Reply(rest[:20], finish_reason="length", times=None)
        return Reply(rest, times=None)

    async def run() -> Result:
        backend = ScriptedBackend(answer)
        async with ParallelReasoner(backend=backend, template="raw") as reasoner:
            return await reasoner.solve(PROBLEM.question)

    return asyncio.run(run())


def test_a_clean_run_is_learned_from_exactly_as_a_written_solution() -> None:
    text = PROBLEM.trajectory.parallel()
    assert run_units(played(text)) == units(prompt(PROBLEM.question), text, whole=False)


def test_a_closing_tag_that_the_client_wrote_is_not_learned() -> None:
    async def run() -> Result:
        text = PROBLEM.trajectory.parallel()
        head, _, tail = text.partition("</Outlines>")

        def answer(request: CompletionRequest) -> Reply:
            if request.prefix.endswith("<Thread>\n2:"):
                return Reply(" 12", finish_reason="length", times=None)
            if request.prefix.endswith("<Thread>\n1:"):
                return Reply(tail.partition("1:")[2].partition("</Thread>")[0] + "</Thread>", times=None)
            return Reply(
                tail[tail.index("</Parallel>") :] if request.prefix else head + "</Outlines>", times=None
            )

        async with ParallelReasoner(backend=ScriptedBackend(answer), template="raw") as reasoner:
            return await reasoner.solve(PROBLEM.question)

    result = asyncio.run(run())
    _, first, second, *_ = run_units(result)
    assert first.completion.endswith("\n</Thread>")
    assert second.completion.strip() == "12"
    assert "12\n</Thread>" in result.text


def test_a_wrong_answer_earns_nothing_and_a_right_one_a_little_more_when_it_forks() -> None:
    result = played(PROBLEM.trajectory.parallel())
    ratio = result.telemetry.acceleration_ratio
    assert ratio > 0
    assert Reward().of(result, PROBLEM) == pytest.approx(1 + min(0.5 * ratio, 0.2))
    assert Reward(most=0.01).of(result, PROBLEM) == pytest.approx(1.01)
    wrong = Problem(PROBLEM.task, 2, PROBLEM.question, "0.5", PROBLEM.trajectory)
    assert Reward().of(result, wrong) == 0


@given(st.lists(st.floats(0, 1.2), min_size=2, max_size=8))
def test_advantages_are_centred_and_keep_their_scale(rewards: list[float]) -> None:
    centred = advantages(rewards)
    assert sum(centred) == pytest.approx(0, abs=1e-9)
    assert max(centred) - min(centred) == pytest.approx(max(rewards) - min(rewards), abs=1e-9)


def test_divided_advantages_make_a_small_difference_of_speed_as_loud_as_one_of_truth() -> None:
    speed, truth = [1.1, 1.2], [0.0, 1.0]
    assert advantages(speed, divide=True) == pytest.approx(advantages(truth, divide=True), rel=1e-3)
    assert advantages(speed)[1] < 0.1 * advantages(truth)[1] + 1e-9


def test_an_update_makes_the_better_run_likelier_and_the_worse_one_less_and_is_not_done_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = PROBLEM.trajectory.parallel()
    bad = good.replace(f"{{{PROBLEM.answer}}}", "{7}")
    group = [played(good), played(bad)]
    asked_for = []

    def scripted(_: Llama, questions: list[str], **options: int) -> list[list[Result]]:
        asked_for.append(len(questions))
        return [group]

    monkeypatch.setattr(grpo, "roll_out", scripted)
    monkeypatch.setattr(grpo, "_problems", lambda *_: [PROBLEM])
    torch.manual_seed(0)
    model = Llama(Shape(hidden=32, layers=2, heads=2, inner=48))
    before = [loss_of(model, text) for text in (good, bad)]
    plan = Plan(iterations=3, groups=1, group=2, rate=1e-3)
    reinforce(model, [], plan, tmp_path, lambda _: None)
    after = [loss_of(model, text) for text in (good, bad)]
    assert after[0] - before[0] < after[1] - before[1]
    assert asked_for == [1, 1, 1]

    fresh = Llama(Shape(hidden=32, layers=2, heads=2, inner=48))
    reinforce(fresh, [], plan, tmp_path, lambda _: None)
    assert asked_for == [1, 1, 1], "finished iterations were run again"
    assert loss_of(fresh, good) == pytest.approx(after[0])


def loss_of(model: Llama, text: str) -> float:
    batch = collate([build(units(prompt(PROBLEM.question), text, whole=False))])
    with torch.no_grad():
        return float(edge_losses(model, batch).sum())
