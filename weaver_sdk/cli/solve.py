"""`weaver solve`: one problem in, the answer out."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Annotated

import typer

from weaver_sdk.cli import flags
from weaver_sdk.cli.boundary import FAILED, INTERRUPTED, USAGE, fail, run_command

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from weaver_sdk.cli.server import ServerChoice
    from weaver_sdk.cli.watch import Question, Watched
    from weaver_sdk.events import Event
    from weaver_sdk.options import Budget, Sampling


def solve(
    problem: Annotated[
        str | None, typer.Argument(help="The problem. `-`, or nothing, reads it from standard input.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            help="`parallel`, or `sequential`: the same model without forks.",
            metavar="MODE",
            autocompletion=lambda: ["parallel", "sequential"],
        ),
    ] = "parallel",
    base_url: flags.BaseUrl = None,
    model: flags.Model = None,
    api_key: flags.ApiKey = None,
    local: flags.Local = False,
    api: flags.ApiName = None,
    strategy: flags.Strategy = None,
    dialect: flags.DialectName = None,
    template: flags.Template = None,
    concurrency: flags.Concurrency = None,
    context_tokens: flags.ContextTokens = None,
    total_tokens: flags.TotalTokens = None,
    critical_path_tokens: flags.CriticalPathTokens = None,
    thread_tokens: flags.ThreadTokens = None,
    seconds: flags.Seconds = None,
    max_threads: flags.MaxThreads = None,
    max_forks: flags.MaxForks = None,
    max_depth: flags.MaxDepth = None,
    temperature: flags.Temperature = None,
    top_p: flags.TopP = None,
    seed: flags.Seed = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole result as one line of JSON on stdout.")
    ] = False,
    trace: flags.TraceFile = None,
    plain: flags.Plain = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer alone.")] = False,
) -> None:
    """Solve one problem, and watch its threads at work.

    The answer goes to stdout. In a pipe the reasoning goes to stderr, so `weaver solve "…" | cat` prints the
    answer alone, as it is written. Exit codes: 0 an answer, 1 none, 2 wrong use, 130 stopped with Ctrl-C.
    """
    from weaver_sdk.cli.server import ServerChoice
    from weaver_sdk.cli.watch import Question

    if mode not in ("parallel", "sequential"):
        fail(f"--mode {mode}: use parallel or sequential", USAGE)
    text = _problem(problem)

    async def work() -> int:
        budget = flags.budget_of(
            total_tokens=total_tokens,
            critical_path_tokens=critical_path_tokens,
            thread_tokens=thread_tokens,
            seconds=seconds,
            max_threads=max_threads,
            max_forks=max_forks,
            max_depth=max_depth,
        )
        sampling = flags.sampling_of(temperature=temperature, top_p=top_p, seed=seed)
        given = ServerChoice(
            base_url=base_url,
            model=model,
            api_key=api_key,
            local=local,
            api=api,
            strategy=strategy,
            dialect=dialect,
            template=template,
            concurrency=concurrency,
            context_tokens=context_tokens,
        )
        question = Question(problem=text, mode="sequential" if mode == "sequential" else "parallel")
        return await _solve(given, sampling, budget, question, trace, json, plain, quiet)

    run_command(work(), warn=not quiet)


def _problem(given: str | None) -> str:
    import sys

    if given is not None and given != "-":
        text = given
    elif given is None and sys.stdin.isatty():
        fail('no problem: weaver solve "Compute 47*86 + 93*12"', USAGE)
    else:
        text = sys.stdin.read()
    if not text.strip():
        fail("the problem is empty", USAGE)
    return text.strip()


async def _solve(
    given: ServerChoice,
    sampling: Sampling | None,
    budget: Budget,
    question: Question,
    trace: Path | None,
    json: bool,
    plain: bool,
    quiet: bool,
) -> int:
    from weaver_sdk.cli.consoles import error_console, is_screen, may_meet, output_console
    from weaver_sdk.cli.lanes import Board
    from weaver_sdk.cli.local import DIGITS, GENERAL_MODEL, refused
    from weaver_sdk.cli.piped import PipedAnswer
    from weaver_sdk.cli.scene import Scene
    from weaver_sdk.cli.screen import Screen
    from weaver_sdk.cli.server import build_reasoner, choose_server
    from weaver_sdk.cli.watch import watch
    from weaver_sdk.telemetry.timeline_file import recording

    out, err = output_console(plain), error_console(plain)
    view = err if json or not is_screen(out) else out
    choice = choose_server(given)
    if choice.chosen_by_us and not quiet:
        err.print("no server named: using the embedded engine (--local)", style="dim")
    if (refusal := refused(choice, question.problem)) is not None:
        fail(f"{refusal}; {GENERAL_MODEL}", FAILED)
    screen = Screen(view, live=False if plain or quiet else None)
    scene = Scene(Board(), screen, "hide" if quiet else "show")
    piped = None
    if not json and not is_screen(out):
        piped = PipedAnswer(out.file, scene.rest if may_meet(out, view) else None)
    with recording(trace) as record:

        def hear(event: Event) -> None:
            record(event)
            if piped is not None:
                piped.take(event)

        async with build_reasoner(choice, sampling, budget) as reasoner:
            try:
                [watched] = await watch(reasoner, [(question, scene.board)], scene, hear)
            except ExceptionGroup as errors:
                if errors.split(BrokenPipeError)[1] is not None:
                    raise
                # nobody reads the answer any more: this ends the command without a word
                raise BrokenPipeError(errno.EPIPE, "the pipe was closed") from None
    if choice.single_turn and watched.result is not None and not quiet:
        view.print(DIGITS, style="dim")
    if json:
        if watched.result is not None:
            typer.echo(watched.result.to_json())
    else:
        _print(watched, out, view, quiet, printed=piped is not None and piped.begun)
    if watched.stopped:
        err.print("stopped", style="yellow")
        return INTERRUPTED
    if watched.error is not None:
        raise watched.error
    if watched.result is None or watched.result.answer is None:
        fail("the run ended without an answer", FAILED)
    return 0


def _print(watched: Watched, out: Console, view: Console, quiet: bool, *, printed: bool) -> None:
    """Print the answer, or what there is of the text, to stdout, and the timing beside the picture.

    Args:
        printed: whether the answer is on stdout already.
    """
    from weaver_sdk.cli.consoles import is_screen
    from weaver_sdk.cli.report import print_answer, print_cost

    result = watched.result
    if result is None:
        return
    if is_screen(out):
        print_answer(watched.said, out)
    elif not printed:  # a script wants the bare answer, or all that there is
        typer.echo(result.text if result.answer is None else result.answer)
    if not quiet:
        print_cost(result, view)
