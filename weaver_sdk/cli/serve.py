"""`weaver serve`: a server of one's own, in the foreground."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weaver_sdk.cli import flags
from weaver_sdk.cli.boundary import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from weaver_sdk.engines.vllm import VLLMServer
    from weaver_sdk.engines.vllm.progress import Progress

app = typer.Typer(
    help="Start a server.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def serve() -> None:
    """Start a server."""


@app.command("vllm")
def vllm(
    model: Annotated[str, typer.Argument(help="A folder, or a name on the hub.")],
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- FLAGS]", help="Flags of vLLM, as it takes them, after `--`."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 is any free one.")] = 8000,
    name: Annotated[str | None, typer.Option(help="Name of the model in requests.")] = None,
    context: Annotated[
        int | None, typer.Option("--context", "--context-tokens", help="Tokens of prompt and completion.")
    ] = None,
    tensor_parallel: Annotated[int | None, typer.Option(help="GPUs that share the weights.")] = None,
    data_parallel: Annotated[int | None, typer.Option(help="Replicas, each with its own cache.")] = None,
    gpu_memory_share: Annotated[float | None, typer.Option(help="Of each GPU's memory, 0 to 1.")] = None,
    kv_cache_gib: Annotated[int | None, typer.Option(help="Memory for the cache, on the CPU.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads for the arithmetic, on the CPU.")] = None,
    executable: Annotated[
        str | None,
        typer.Option(help="A `vllm` command, or the Python of another environment.", metavar="FILE"),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for what vLLM logs.")] = None,
    start_timeout: Annotated[float, typer.Option(help="Seconds that a start may take.")] = 1800.0,
    plain: flags.Plain = False,
) -> None:
    """Serve a model with vLLM until Ctrl-C, which leaves nothing running.

    What is not given is chosen from the machine. The key for requests is `VLLM_API_KEY`, or one that is made.
    Exit codes: 1 it did not start, or ended by itself, 2 wrong use, 130 stopped with Ctrl-C.
    """
    options: dict[str, Any] = {
        "flags": more or (),
        "host": host,
        "port": port,
        "served_model_name": name,
        "context_tokens": context,
        "tensor_parallel": tensor_parallel,
        "data_parallel": data_parallel,
        "gpu_memory_share": gpu_memory_share,
        "kv_cache_gib": kv_cache_gib,
        "threads": threads,
        "executable": executable,
        "log": log,
        "start_timeout": start_timeout,
    }
    run_command(_vllm(model, options, plain))


@app.command("local")
def local(
    model: Annotated[
        str | None,
        typer.Argument(help="hf:OWNER/REPO[:FILE], smollm2, or a GGUF file; else the packaged model."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 8080,
    slots: Annotated[int, typer.Option(min=1, help="Completions at once.")] = 8,
    context_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a prompt and its completion, in each slot.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads for the arithmetic.")] = 1,
    start_timeout: Annotated[float, typer.Option(help="Seconds that a start may take.")] = 120.0,
) -> None:
    """Serve a GGUF model with the embedded llama.cpp until Ctrl-C, which leaves nothing running.

    It listens on 127.0.0.1, and takes requests without a key. A model of the hub is downloaded first.
    Exit codes: 1 it did not start, or ended by itself, 2 wrong use, 130 stopped with Ctrl-C.
    """
    options: dict[str, Any] = {
        "port": port,
        "slots": slots,
        "context_tokens": context_tokens,
        "threads": threads,
        "start_timeout": start_timeout,
    }
    run_command(_local(model, options))


async def _local(model: str | None, options: dict[str, Any]) -> int:
    import shlex

    from weaver_sdk.engines.llama import LlamaServer

    async with LlamaServer(model, **options) as server:
        example = ["weaver", "solve", "Compute 47*86 + 93*12", "--base-url", server.base_url]
        typer.echo(
            f"{server.model_name} is served at {server.base_url} "
            f"({server.slots} slots of {server.context_tokens} tokens; Ctrl-C ends it)\n"
            f"log: {server.log_path}\n"
            f"{shlex.join(example)}"
        )
        await server.wait()
    return 0


async def _vllm(model: str, options: dict[str, Any], plain: bool) -> int:
    from weaver_sdk.cli.consoles import error_console
    from weaver_sdk.engines.vllm import VLLMServer

    with _shown_progress(error_console(plain), live=not plain) as show:
        server = VLLMServer(model, on_progress=show, **options)
        await server.__aenter__()
    try:
        typer.echo(_how_to_reach(server))
        await server.wait()
    finally:
        await server.__aexit__(None, None, None)


def _how_to_reach(server: VLLMServer) -> str:
    import shlex

    example = ["weaver", "solve", "Compute 47*86 + 93*12", "--base-url", server.base_url]
    numbers = f"numbers: {server.dtype_note}\n" if server.dtype_note else ""
    return (
        f"{server.model_name} is served at {server.base_url} "
        f"({server.context_tokens} tokens of context; Ctrl-C ends it)\n"
        f"key: {server.api_key}\n"
        f"{numbers}log: {server.log_path}\n"
        f"WEAVER_API_KEY={shlex.quote(server.api_key)} {shlex.join(example)}"
    )


@contextmanager
def _shown_progress(console: Console, live: bool) -> Iterator[Callable[[Progress], None]]:
    """Show how far a start has come: in one line that changes, or in a pipe in one line for each phase."""
    from weaver_sdk.cli.consoles import is_screen

    if live and is_screen(console):
        with console.status("vLLM: starting") as status:
            yield lambda progress: status.update(f"vLLM: {_in_words(progress)}")
        return
    last: list[str] = []

    def print_phase(progress: Progress) -> None:
        if last[-1:] != [progress.phase]:
            last.append(progress.phase)
            console.print(f"vLLM: {_in_words(progress)}", markup=False)

    yield print_phase


def _in_words(progress: Progress) -> str:
    percent = "" if progress.percent is None else f" {progress.percent}%"
    return f"{progress.phase}{percent} · {progress.seconds:.0f} s"
