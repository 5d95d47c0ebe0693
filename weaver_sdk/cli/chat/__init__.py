"""`weaver chat`: a conversation, with every thread in view."""

from __future__ import annotations

from typing import Annotated

import typer

from weaver_sdk.cli import flags
from weaver_sdk.cli.boundary import run_command


def chat(
    mode: Annotated[
        str,
        typer.Option(
            help="`parallel`, `sequential`, or `both`: a race of the two on every question.",
            metavar="MODE",
            autocompletion=lambda: ["parallel", "sequential", "both"],
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
    trace: flags.TraceFile = None,
    reasoning: Annotated[
        str,
        typer.Option(
            help="`show`, `fold` or `hide` the reasoning.",
            metavar="HOW",
            autocompletion=lambda: ["show", "fold", "hide"],
        ),
    ] = "show",
    keep_reasoning: Annotated[
        bool, typer.Option("--keep-reasoning", help="Give the model its earlier reasoning as context, too.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last conversation.")] = False,
    plain: flags.Plain = False,
) -> None:
    """Talk with a model, and watch its threads at work. /help lists what can be typed.

    Earlier answers are context for the next question. Ctrl-C stops a turn and keeps its text; Ctrl-D leaves.
    Conversations are kept as they go: --resume takes the last one up again.
    """

    async def work() -> int:
        from weaver_sdk.cli.chat.loop import converse
        from weaver_sdk.cli.chat.settings import Settings
        from weaver_sdk.cli.server import ServerChoice

        settings = Settings(
            budget=flags.budget_of(
                total_tokens=total_tokens,
                critical_path_tokens=critical_path_tokens,
                thread_tokens=thread_tokens,
                seconds=seconds,
                max_threads=max_threads,
                max_forks=max_forks,
                max_depth=max_depth,
            ),
            sampling=flags.sampling_of(temperature=temperature, top_p=top_p, seed=seed),
            keep_reasoning=keep_reasoning,
            trace=trace,
        )
        settings.set_mode(mode)
        settings.set_reasoning(reasoning)
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
        return await converse(given, settings, resume=resume, plain=plain)

    run_command(work())
