"""Self-training keeps what is right and well-formed, and learns from it."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training import self_training  # noqa: E402
from training.model import Llama, Shape  # noqa: E402
from training.self_training import Kept, harvest, read, train_on, write  # noqa: E402
from training.tasks import ByDigits, OneStep, problems  # noqa: E402
from weaver_sdk.models import nano  # noqa: E402
from weaver_sdk.reasoner import ParallelReasoner  # noqa: E402
from weaver_sdk.result import Result  # noqa: E402

pytestmark = pytest.mark.train

TASK = OneStep(factors=ByDigits(2, 2), plain=4)


def test_only_runs_that_are_right_and_well_formed_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list(itertools.islice(problems(TASK, 5), 3))

    def played(_: Llama, questions: list[str], **options: object) -> list[list[Result]]:
        assert questions == [problem.question for problem in asked]
        reasoner = ParallelReasoner.local(nano())
        right = dataclasses.replace(reasoner.solve_sync(questions[0]), well_formed=True)
        assert right.answer == asked[0].answer
        wrong = dataclasses.replace(right, answer="0.5")
        malformed = dataclasses.replace(right, answer=asked[2].answer, well_formed=False)
        return [[right], [wrong], [malformed]]

    monkeypatch.setattr(self_training, "roll_out", played)
    found = harvest(Llama(Shape(hidden=32, layers=1, heads=2, inner=48)), [TASK], 3, seed=5)
    assert (found.runs, found.correct, found.well_formed) == (3, 2, 2)
    assert [kept.question for kept in found.kept] == [asked[0].question]


def test_kept_runs_survive_a_file_and_training_on_them_lowers_their_loss(tmp_path: Path) -> None:
    kept = [Kept(p.question, p.trajectory.parallel()) for p in itertools.islice(problems(TASK, 6), 8)]
    write(kept, tmp_path / "runs.jsonl")
    assert read(tmp_path / "runs.jsonl") == kept
    torch.manual_seed(0)
    model = Llama(Shape(hidden=32, layers=1, heads=2, inner=48))
    losses: list[float] = []
    train_on(model, kept, epochs=20, rate=3e-3, report=losses.append)
    assert losses[-1] < 0.7 * losses[0]
