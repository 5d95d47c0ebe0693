"""`python -m training`: one command a stage, each resumable from its folder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.annotate import Trace, annotate_all
from training.export_gguf import export_gguf
from training.export_huggingface import export_huggingface
from training.grpo import Iteration, Plan, reinforce
from training.model import Llama
from training.quick_eval import held_out, run
from training.read_gguf import read_gguf
from training.recipes import STAGES
from training.self_training import harvest, read, train_on, write
from training.sft import Progress as StepProgress
from training.sft import load_model, save_model, train
from training.tasks import TASKS, problems
from weaver_sdk.engines.llama import LlamaServer
from weaver_sdk.models import nano
from weaver_sdk.session_config import SessionConfig

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Train a small fork/join model, stage by stage."
)
console = Console(stderr=True)

Folder = Annotated[Path, typer.Argument(help="Where the stage keeps its checkpoint and its log.")]
Checkpoint = Annotated[
    Path, typer.Argument(help="A checkpoint.pt, or a model.pt of a later stage.", exists=True)
]
Threads = Annotated[int, typer.Option(help="CPU threads of torch; more than the idle cores is slower.")]


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


@app.command()
def tasks(count: Annotated[int, typer.Option(help="Problems a task.")] = 1, seed: int = 0) -> None:
    """Print problems with their solutions."""
    for task in TASKS.values():
        for problem in itertools.islice(problems(task, seed), count):
            typer.echo(f"# {problem.task}: {problem.question}\n{problem.trajectory.parallel()}\n")


@app.command()
def sft(
    stage: Annotated[str, typer.Argument(help=f"One of {', '.join(STAGES)}.")],
    folder: Folder,
    begin_with: Annotated[
        Path | None, typer.Option(help="The checkpoint.pt of the stage before.", exists=True)
    ] = None,
    threads: Threads = 1,
) -> None:
    """Train on worked solutions; every stage but the first begins with the checkpoint of another."""
    if stage not in STAGES or (stage == "sequential") != (begin_with is None):
        raise typer.BadParameter("give a stage, and --begin-with for all but the first")
    from training.curve import draw  # it needs matplotlib, and no other command does

    torch.set_num_threads(threads)
    recipe = STAGES[stage]()
    with _bar() as bar:
        shown = bar.add_task("sft", total=recipe.steps)

        def report(done: StepProgress) -> None:
            bar.update(shown, completed=done.step, description=f"loss {done.loss:.4f}")

        train(recipe, folder, report, begin_with=begin_with)
    draw([folder / "loss.jsonl"], folder / "loss.svg")


@app.command("self-train")
def self_train(
    checkpoint: Checkpoint,
    folder: Folder,
    count: Annotated[int, typer.Option(help="New problems a task.")] = 500,
    seed: int = 1,
    threads: Threads = 1,
) -> None:
    """Keep right and well-formed runs of the model (runs.jsonl) and train on them (model.pt)."""
    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(checkpoint)
    runs = folder / "runs.jsonl"
    if not runs.exists():  # an earlier call that was cut off has left them
        found = harvest(model, list(TASKS.values()), count, seed)
        write(found.kept, runs)
        counts = f"{found.correct} right, {found.well_formed} well-formed, {len(found.kept)} kept"
        console.print(f"{found.runs} runs: {counts}")
    with _bar() as bar:
        shown = bar.add_task("self-training", total=None)
        train_on(model, read(runs), seed=seed, report=lambda loss: bar.update(shown, advance=1))
    save_model(model, folder / "model.pt")


@app.command()
def grpo(
    checkpoint: Checkpoint,
    folder: Folder,
    iterations: int = 20,
    divide: Annotated[bool, typer.Option(help="Divide advantages by their standard deviation.")] = False,
    seed: int = 1,
    threads: Threads = 1,
) -> None:
    """Reinforce right answers and short critical paths (model.pt); resumes from its folder."""
    torch.set_num_threads(threads)
    model = load_model(checkpoint)
    with _bar() as bar:
        shown = bar.add_task("p-grpo", total=iterations)

        def report(done: Iteration) -> None:
            words = f"reward {done.reward:.3f}, right {done.accuracy:.1%}"
            bar.update(shown, completed=done.iteration, description=words)

        reinforce(
            model, list(TASKS.values()), Plan(iterations=iterations, divide=divide, seed=seed), folder, report
        )
    save_model(model, folder / "model.pt")


@app.command()
def annotate(
    traces: Annotated[Path, typer.Argument(help="JSON lines of problem, solution and answer.", exists=True)],
    out: Annotated[Path, typer.Argument(help="Where accepted trajectories go, as JSON lines.")],
    gguf: Annotated[Path | None, typer.Option(help="A teacher for the embedded engine.")] = None,
    base_url: Annotated[str | None, typer.Option(help="A teacher on a server.")] = None,
    model: Annotated[str | None, typer.Option(help="Its name there.")] = None,
) -> None:
    """Turn sequential traces into fork/join trajectories by a teacher model; resumes behind the last line."""
    asked = [Trace(**json.loads(line)) for line in traces.read_text().splitlines()]
    engine = LlamaServer(gguf) if gguf is not None else None
    config = SessionConfig(model=model, base_url=base_url, engine=engine, strategy="native")
    with _bar() as bar:
        shown = bar.add_task("annotating", total=len(asked))
        accepted, refused = annotate_all(config, asked, out, lambda: bar.update(shown, advance=1))
    console.print(f"{accepted} of {len(asked)} accepted")
    for stage, count in sorted(refused.items()):
        console.print(f"  refused by {stage}: {count}")


@app.command()
def export(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A checkpoint.pt, or a model.pt of a later stage.", exists=True)
    ] = None,
    packaged: Annotated[bool, typer.Option("--packaged", help="The weights of the package instead.")] = False,
    gguf: Annotated[Path | None, typer.Option(help="A file for llama.cpp.")] = None,
    huggingface: Annotated[Path | None, typer.Option(help="A folder for transformers, vLLM, SGLang.")] = None,
    name: str = "weaver-nano",
) -> None:
    """Write a trained model, or the packaged one, for other engines."""
    if gguf is None and huggingface is None:
        raise typer.BadParameter("give --gguf, --huggingface, or both")
    if packaged == (checkpoint is not None):
        raise typer.BadParameter("give a checkpoint or --packaged")
    model = read_gguf(nano()) if checkpoint is None else load_model(checkpoint)
    if gguf is not None:
        export_gguf(model, gguf, name)
    if huggingface is not None:
        export_huggingface(model, huggingface)


@app.command("eval")
def evaluate(
    checkpoint: Checkpoint,
    sequential: bool = False,
    count: Annotated[int, typer.Option(help="Held-out problems a task.")] = 100,
    threads: Threads = 1,
) -> None:
    """A quick look in torch; the figures to publish come from benchmarks/nano.py."""
    torch.set_num_threads(threads)
    model: Llama = load_model(checkpoint)
    for name, task in TASKS.items():
        asked = held_out(task, count)
        mode = "sequential" if sequential else "parallel"
        outcomes = [o for i in range(0, count, 50) for o in run(model, asked[i : i + 50], mode)]
        right, exact = (sum(getattr(o, what) for o in outcomes) / count for what in ("correct", "exact"))
        typer.echo(f"{name}: right {right:.1%}, every token as written out {exact:.1%}")
