"""The options that several commands take, and the plain data that is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from weaver_sdk.options import Budget, Sampling


def strategy_names() -> list[str]:
    """Return what `--strategy` completes to, strategies of other packages included."""
    from weaver_sdk.strategies.names import known_names

    return ["auto", *known_names()]


BaseUrl = Annotated[
    str | None,
    typer.Option(help="Address of the server, up to /v1. Or set WEAVER_BASE_URL."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Name of the model at the server. Or set WEAVER_MODEL.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(help="Key for the server. Better: set WEAVER_API_KEY."),
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Start the embedded engine, with the model that comes along, which knows arithmetic only; or as "
        "`--local MODEL`: hf:OWNER/REPO[:FILE], smollm2, or FILE.gguf.",
    ),
]
ContextTokens = Annotated[
    int | None,
    typer.Option("--context-tokens", min=1, help="With --local: tokens of a prompt and its completion."),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        help="How the model is brought to an answer: `native`, it was trained to fork; `prompted`, by "
        "examples and a grammar; `planned`, by asking for a plan; `voting:n=7`, `best_of`, `plan_and_solve`; "
        "or your own, as `module:name`. Found out where not given.",
        metavar="STRATEGY",
        autocompletion=strategy_names,
    ),
]
ApiName = Annotated[
    str | None,
    typer.Option(
        "--api",
        help="Which endpoint is asked: `completions`, `chat`, or `auto`: completions where they are.",
        metavar="API",
        autocompletion=lambda: ["auto", "completions", "chat"],
    ),
]
DialectName = Annotated[str | None, typer.Option("--dialect", help="The markup that the model writes.")]
Template = Annotated[
    str | None,
    typer.Option(help='Chat template of the model: a known name, "raw" or "auto".'),
]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Completions that run at once.")]
TotalTokens = Annotated[int | None, typer.Option(help="Tokens of the whole run.")]
CriticalPathTokens = Annotated[
    int | None,
    typer.Option(help="Tokens outside threads and of the longest thread of each block."),
]
ThreadTokens = Annotated[int | None, typer.Option(help="Tokens of one thread.")]
Seconds = Annotated[float | None, typer.Option(help="Wall-clock seconds of the whole run.")]
MaxThreads = Annotated[int | None, typer.Option(help="Threads of one block.")]
MaxForks = Annotated[int | None, typer.Option(help="Blocks of one run.")]
MaxDepth = Annotated[int | None, typer.Option(help="How deep blocks may nest; 0 is no block at all.")]
Temperature = Annotated[float | None, typer.Option(help="0 is greedy.")]
TopP = Annotated[float | None, typer.Option(help="Share of the likeliest tokens.")]
Seed = Annotated[int | None, typer.Option(help="Makes sampling repeatable, mostly.")]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", help="Write every event to FILE, one line of JSON each."),
]
Plain = Annotated[bool, typer.Option("--plain", help="No moving picture and no colours.")]


def budget_of(
    *,
    total_tokens: int | None,
    critical_path_tokens: int | None,
    thread_tokens: int | None,
    seconds: float | None,
    max_threads: int | None,
    max_forks: int | None,
    max_depth: int | None,
) -> Budget:
    """Return the budget that the options describe; what is not given keeps its default.

    Raises:
        BudgetError: a limit is negative or zero.
    """
    from weaver_sdk.options import Budget

    default = Budget()
    return Budget(
        total_tokens=total_tokens,
        critical_path_tokens=critical_path_tokens,
        thread_tokens=thread_tokens,
        seconds=seconds,
        max_threads=default.max_threads if max_threads is None else max_threads,
        max_forks=default.max_forks if max_forks is None else max_forks,
        max_depth=default.max_depth if max_depth is None else max_depth,
    )


def sampling_of(*, temperature: float | None, top_p: float | None, seed: int | None) -> Sampling | None:
    """Return the sampling that the options describe; `None` where they say nothing.

    Raises:
        ConfigurationError: a value is out of range.
    """
    from weaver_sdk.options import Sampling

    if temperature is top_p is seed is None:
        return None
    return Sampling(temperature=temperature, top_p=top_p, seed=seed)
