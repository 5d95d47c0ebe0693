"""Runs of a model in training, by the same runtime and engine that users have."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training import vocabulary
from training.export_gguf import export_gguf
from training.model import Llama
from training.units import Unit
from weaver_sdk import ParallelReasoner
from weaver_sdk.markup import THREADWEAVER, fill_seed
from weaver_sdk.markup.outlines import Outline
from weaver_sdk.options import Budget, Mode, Sampling
from weaver_sdk.result import Fork, Result, Thread

AT_ONCE = 8  # completions that the engine decodes together
BUDGET = Budget(total_tokens=1900, thread_tokens=400)  # over any right solution: a loop ends here


def roll_out(
    model: Llama,
    questions: Sequence[str],
    *,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    mode: Mode = "parallel",
) -> list[list[Result]]:
    """`samples` runs of each question. Sample s of question q is drawn with seed `seed + q*samples + s`,
    from the whole distribution (no top-k, no top-p), as on-policy training needs it.

    Raises:
        BackendError: a run could not be finished.
    """
    with tempfile.TemporaryDirectory(prefix="weaver-rollouts-") as folder:
        path = Path(folder) / "weaver-nano.gguf"  # a name by which the runtime knows that it was trained
        export_gguf(model, path, "weaver-nano")
        return asyncio.run(_roll_out(path, questions, samples, temperature, seed, mode))


async def _roll_out(
    path: Path, questions: Sequence[str], samples: int, temperature: float, seed: int, mode: Mode
) -> list[list[Result]]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(question: str, number: int) -> Result:
        sampling = Sampling(temperature=temperature, top_k=0, top_p=1.0, min_p=0.0, seed=seed + number)
        async with places:
            return await reasoner.solve(question, mode=mode, sampling=sampling)

    async with ParallelReasoner.local(path, budget=BUDGET, max_concurrency=AT_ONCE) as reasoner:
        runs = [one(q, i * samples + s) for i, q in enumerate(questions) for s in range(samples)]
        results = await asyncio.gather(*runs)
    return [list(results[i : i + samples]) for i in range(0, len(results), samples)]


def run_units(result: Result) -> list[Unit]:
    """What the model itself wrote in a run, each piece with the context that it was written on.

    Text of the client (seeds, closing tags, joins) is context only. Where the client repaired the main line,
    its pieces are left out, for they are not all the model's; the threads stay.
    """
    found: list[Unit] = []
    context = vocabulary.prompt(result.problem)
    own_main_line = all(repair.thread is not None for repair in result.repairs)
    for piece in result.trace:
        if isinstance(piece, Fork):
            found += [_thread_unit(context, thread) for thread in piece.threads if thread.text]
            context += piece.joined
            continue
        ended = result.finish == "stop" and piece is result.trace[-1]
        if own_main_line:
            found.append(Unit(context, piece.text + (vocabulary.END if ended else "")))
        context += piece.text
    return found


def _thread_unit(context: str, thread: Thread) -> Unit:
    seed = fill_seed(THREADWEAVER, Outline(thread.label, thread.outline))
    closing = THREADWEAVER.thread[1] if thread.outcome == "done" else ""
    return Unit(context + THREADWEAVER.before_threads + seed, thread.text + closing)
