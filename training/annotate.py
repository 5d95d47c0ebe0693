"""From a sequential trace to a fork/join trajectory, by a teacher model behind any `Backend`.

Five stages, each a function with a prompt of its own: steps, groups, edits, outlines, and a filter that needs
no model. A trace that does not pass is refused with the reason, and nothing is repaired in silence.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.tasks.trajectory import Fork, Thread, Trajectory
from weaver_sdk.backends.base import Backend, CompletionRequest, Prompt
from weaver_sdk.errors import MarkupError
from weaver_sdk.markup import THREADWEAVER, Messages
from weaver_sdk.markup.well_formed import check_well_formed
from weaver_sdk.options import Sampling
from weaver_sdk.session import Session
from weaver_sdk.session_config import SessionConfig

STEPS = """Here is a problem and its solution.

Problem: {problem}

Solution:
{solution}

Copy the solution word for word as a numbered list, one step of the reasoning on each line. Keep every number
and every result. Do not add or leave out anything."""

GROUPS = """Here are the steps of a solution to the problem "{problem}".

{steps}

Steps that follow one another and do not use each other's results could be done at the same time by different
people. Write each such group on one line, as step numbers with commas. Write "none" if every step uses the
result of the step before it.

Example: of the steps
1. The first box holds 3 * 4 = 12 apples.
2. The second box holds 5 * 6 = 30 apples.
3. Together they hold 12 + 30 = 42 apples.
the answer is
1, 2
because step 3 uses what steps 1 and 2 give.

Answer with the lines of numbers alone."""

EDIT = """A step of a solution:
{step}

Write this step once more, word for word, as a note for somebody who sees no other step. Leave out words such
as "likewise" or "next", which point to other steps, and change nothing else. Its numbers are {kept}.
Answer with the step alone, on one line."""

OUTLINE = """A step of a solution:
{step}

Give this step a title of at most ten words that says what is worked out, and for whom or what. The result
must not be in it. Answer with the title alone."""

_NUMBERED = re.compile(r"^\s*\d+[.):]\s+(.+?)(?=^\s*\d+[.):]\s|\Z)", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^\s*\d+[.):]\s+", re.MULTILINE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Refused(ValueError):
    """A trace cannot be used; the message says at which stage and why."""


@dataclass(frozen=True)
class Trace:
    """A solved problem, as some model wrote it down step by step."""

    problem: str
    solution: str
    answer: str


@dataclass(frozen=True)
class Teacher:
    """A model that is asked one question at a time, greedily; `render` applies its chat template."""

    backend: Backend
    render: Callable[[Messages], str]
    max_tokens: int = 800

    async def ask(self, question: str) -> str:
        """The model's answer; raises BackendError where it cannot be had."""
        messages = ({"role": "user", "content": question},)
        request = CompletionRequest(
            prompt=Prompt(text=self.render(messages), messages=messages),
            max_tokens=self.max_tokens,
            sampling=Sampling(temperature=0.0),
        )
        return "".join([chunk.text async for chunk in self.backend.stream(request)]).strip()


async def annotate(teacher: Teacher, trace: Trace) -> str:
    """The trajectory in the markup, byte for byte as models are trained on it.

    Raises:
        Refused: a stage gave nothing usable, or the result does not pass the filter.
    """
    steps = await find_steps(teacher, trace)
    groups = await find_groups(teacher, trace, steps)
    parts: list[str | Fork] = []
    at = 0
    for group in groups:
        parts += steps[at : group[0]]
        edited = [await edit_step(teacher, steps[index]) for index in group]
        outlines = [await write_outline(teacher, step) for step in edited]
        parts.append(Fork(tuple(map(Thread, outlines, edited))))
        at = group[-1] + 1
    parts += steps[at:]
    text = Trajectory(tuple(parts), trace.answer).parallel()
    check(text, parts)
    return text


def annotate_all(
    config: SessionConfig, traces: Sequence[Trace], out: Path, done: Callable[[], None]
) -> tuple[int, dict[str, int]]:
    """Annotates one trace after the other, a JSON line of `out` for each; goes on behind the lines there are.

    A line holds the problem, and the trajectory as `text` or the reason as `refused`.

    Returns:
        How many were accepted, and how many each stage refused.
    """
    finished = len(out.read_text().splitlines()) if out.exists() else 0
    for _ in range(finished):
        done()

    def keep(line: dict[str, str]) -> None:
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        done()

    asyncio.run(_annotate_each(config, traces[finished:], keep))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    refused = Counter(line["refused"].partition(":")[0] for line in lines if "refused" in line)
    return len(lines) - refused.total(), dict(refused)


async def _annotate_each(
    config: SessionConfig, traces: Sequence[Trace], keep: Callable[[dict[str, str]], None]
) -> None:
    session = await Session.open(config)
    try:
        teacher = Teacher(session.backend, session.models["main"].render)
        for trace in traces:
            try:
                keep({"problem": trace.problem, "text": await annotate(teacher, trace)})
            except Refused as refusal:
                keep({"problem": trace.problem, "refused": str(refusal)})
    finally:
        await session.aclose()


async def find_steps(teacher: Teacher, trace: Trace) -> list[str]:
    """Stage 1: the steps of the trace, in its own words; every number of the trace must be among them."""
    answer = await teacher.ask(STEPS.format(problem=trace.problem, solution=trace.solution))
    steps = [" ".join(step.split()) for step in _NUMBERED.findall(answer)]  # a step may take several lines
    if len(steps) < 2:
        raise Refused(f"steps: {len(steps)} found in {answer[:80]!r}, so there is nothing to fork")
    lost = _numbers(_MARKER.sub("", trace.solution)) - _numbers("\n".join(steps))
    if lost:
        raise Refused(f"steps: {', '.join(sorted(lost))} of the trace is in none of them")
    return steps


async def find_groups(teacher: Teacher, trace: Trace, steps: Sequence[str]) -> list[list[int]]:
    """Stage 2: runs of neighbouring steps (indices from 0) that can be done at once, in order.

    The teacher proposes. A step that holds a number which another of its run works out is not in that run;
    and where some steps of a run work out a number, all do: a thread that only says what is given is none.
    """
    answer = await teacher.ask(GROUPS.format(problem=trace.problem, steps=numbered(steps)))
    proposed = [[int(n) - 1 for n in _NUMBER.findall(line) if n.isdigit()] for line in answer.splitlines()]
    flat = [index for group in proposed for index in group]
    if flat and (flat != sorted(set(flat)) or flat[0] < 0 or flat[-1] >= len(steps)):
        raise Refused(f"groups: {answer!r} does not name steps of 1 to {len(steps)} in order, once each")
    runs = [run for group in proposed for run in _independent(group, trace.problem, steps) if len(run) > 1]
    working = [[bool(_results(trace.problem, steps, [index])) for index in run] for run in runs]
    groups = [run for run, works in zip(runs, working, strict=True) if all(works) or not any(works)]
    if not groups:
        raise Refused("groups: no neighbouring steps can be done at once")
    return groups


def _independent(group: Sequence[int], problem: str, steps: Sequence[str]) -> list[list[int]]:
    """`group` in runs of neighbours none of which needs a number that another one of the run gives."""
    runs: list[list[int]] = []
    for index in group:
        follows = bool(runs) and index == runs[-1][-1] + 1
        if follows and not _results(problem, steps, runs[-1]) & _numbers(steps[index]):
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _results(problem: str, steps: Sequence[str], run: Sequence[int]) -> set[str]:
    """The numbers that the steps of `run` work out: those neither of the problem nor of steps before it."""
    known = _numbers("\n".join((problem, *steps[: run[0]])))
    return _numbers("\n".join(steps[index] for index in run)) - known


async def edit_step(teacher: Teacher, step: str) -> str:
    """Stage 3: the step as somebody can read it who does not see its siblings; its numbers may not change."""
    kept = _numbers(step)
    answer = await teacher.ask(EDIT.format(step=step, kept=", ".join(sorted(kept)) or "none"))
    edited = _one_line(_MARKER.sub("", answer))
    if _numbers(edited) != kept:
        raise Refused(f"edits: {step!r} has other numbers as {edited!r}")
    return edited


async def write_outline(teacher: Teacher, step: str) -> str:
    """Stage 4: what the step is to work out, without what comes out."""
    outline = _one_line(await teacher.ask(OUTLINE.format(step=step)))
    numbers = _NUMBER.findall(step)
    if numbers and numbers[-1] not in numbers[:-1] and numbers[-1] in _NUMBER.findall(outline):
        raise Refused(f"outlines: {outline!r} gives away {numbers[-1]}")
    return outline


def check(text: str, parts: Sequence[str | Fork]) -> None:
    """Stage 5: the strict form, and no two threads of a block that do the same or are announced alike."""
    try:
        check_well_formed(text, THREADWEAVER)
    except MarkupError as error:
        raise Refused(f"filter: {error}") from error
    for part in parts:
        if isinstance(part, Fork):
            for what, texts in (
                ("threads", {thread.body for thread in part.threads}),
                ("outlines", {thread.outline for thread in part.threads}),
            ):
                if len(texts) < len(part.threads):
                    raise Refused(f"filter: two {what} of a block are the same")


def numbered(steps: Sequence[str]) -> str:
    """`1. …` lines."""
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(text))


def _one_line(answer: str) -> str:
    line = next((line.strip() for line in answer.splitlines() if line.strip()), "")
    if not line:
        raise Refused("answers: the teacher wrote nothing")
    return line
