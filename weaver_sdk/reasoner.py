"""`ParallelReasoner`: a problem goes in as text, threads run at once, an answer with its timing comes out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from weaver_sdk.backends.base import Backend
from weaver_sdk.connection import Connection, ConnectionPlan
from weaver_sdk.errors import ConfigurationError, WeaverError
from weaver_sdk.options import Budget, Mode, Sampling
from weaver_sdk.result import Result
from weaver_sdk.runtime.config import RunConfig
from weaver_sdk.runtime.run import Run
from weaver_sdk.runtime.stream import OnEvent, RunStream
from weaver_sdk.strategies.strategy import program_of

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2
    import openai

    from weaver_sdk.backends.answer import Timeouts
    from weaver_sdk.backends.base import Capabilities
    from weaver_sdk.connection import ApiChoice, TemplateChoice
    from weaver_sdk.engines.engine import Engine
    from weaver_sdk.markup import Dialect
    from weaver_sdk.options import Limits, PrefixForm, RetryPolicy
    from weaver_sdk.strategies.choose import StrategyChoice


class ParallelReasoner:
    """Solves problems with a fork/join model on any OpenAI-compatible server.

    ```python
    async with ParallelReasoner(model="my-model", base_url="http://127.0.0.1:8000/v1") as reasoner:
        result = await reasoner.solve("Compute 47*86 + 93*12")
        print(result.answer)
    ```

    One reasoner serves any number of problems at once. Connections are opened at first use and closed with
    the block, or by `aclose()`.

    Args:
        model: the model's name at the server; asked of the server where it serves just one.
        base_url: the address that `/completions` follows; else `WEAVER_BASE_URL` or `OPENAI_BASE_URL`.
        api_key: else `WEAVER_API_KEY` or `OPENAI_API_KEY`; shown nowhere.
        client: an `openai.AsyncOpenAI` to send requests through; never closed here.
        http_client: an `httpx2.AsyncClient` to send requests with; never closed here.
        backend: any `Backend`, in place of a server.
        engine: a server that is started with the reasoner and stopped with it.
        api: which endpoint to ask: "completions", "chat", or "auto": `/completions` where it is there.
        capabilities: what the server can do, where that is known better than by asking it.
        dialect: the markup that the model was trained to write, by name or as data; ThreadWeaver's where
            neither this nor the model's name tells.
        template: how a question becomes a prompt: a named template, "raw", a callable from messages to text,
            or "auto": what the server tells, else what the model's name tells.
        strategy: how the model is brought to fork: "native" (it was trained to), "prompted" (it is shown the
            markup by examples, and held to it by a grammar where the server takes one), "planned" (it is
            asked for a plan, for each part, and for the join), a strategy of your own, or "auto", by the rule
            of `strategy.choose`. `Result.strategy` and the log tell which was taken.
        prefix: what requests begin with: "text", or "tokens": the very tokens that the model wrote, where the
            server takes and gives them (vLLM, the embedded engine). See `Telemetry.drift_tokens`.
        warm_joins: whether threads that have ended are computed ahead of their join while a later one still
            runs. It spends input tokens to save time; where not given, it is on with a `VLLMServer` alone.
        sampling: how the model picks tokens.
        budget: how much one run may spend.
        max_concurrency: completions that run at once, over all runs, or whole `Limits`. A backend that you
            give may have a limit of its own: the smaller one counts.
        retries: further attempts of a request that failed, or a whole `RetryPolicy`; a backend that you give
            has its own.
        timeout: seconds of silence after which a stream is given up, or all limits on waiting.

    Raises:
        ConfigurationError: arguments contradict each other, or one cannot be used.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client: openai.AsyncOpenAI | None = None,
        http_client: httpx2.AsyncClient | None = None,
        backend: Backend | None = None,
        engine: Engine | None = None,
        api: ApiChoice = "auto",
        capabilities: Capabilities | None = None,
        dialect: str | Dialect | None = None,
        template: TemplateChoice = "auto",
        strategy: StrategyChoice = "auto",
        prefix: PrefixForm = "text",
        warm_joins: bool | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        max_concurrency: int | Limits = 64,
        retries: int | RetryPolicy = 2,
        timeout: float | Timeouts = 60.0,
    ) -> None:
        self._plan = ConnectionPlan(
            model=model,
            base_url=base_url,
            api_key=api_key,
            client=client,
            http_client=http_client,
            backend=backend,
            engine=engine,
            api=api,
            capabilities=capabilities,
            dialect=dialect,
            template=template,
            strategy=strategy,
            prefix=prefix,
            warm_joins=warm_joins,
            max_concurrency=max_concurrency,
            retries=retries,
            timeout=timeout,
        )
        self._sampling = sampling or Sampling()
        self._budget = budget or Budget()
        self._opening: asyncio.Task[Connection] | None = None

    @classmethod
    def local(
        cls,
        model: str | Path | None = None,
        *,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        max_concurrency: int = 8,
    ) -> Self:
        """Return a reasoner with an engine of its own, which starts at first use and ends with the reasoner.

        Needs the extra `local`.

        Args:
            model: a GGUF file; the model that comes with this package where not given.
            sampling: greedy where not given.
            budget: how much one run may spend.
            max_concurrency: threads that the engine decodes at once.

        Raises:
            EngineNotInstalled: the extra is missing.
        """
        from weaver_sdk.engines.llama import LlamaServer
        from weaver_sdk.engines.models import default_model

        packaged = default_model() if model is None else None
        return cls(
            engine=LlamaServer(packaged or model, slots=max_concurrency),
            strategy=packaged.strategy if packaged and packaged.strategy else "auto",
            sampling=sampling or Sampling(temperature=0.0),
            budget=budget,
            max_concurrency=max_concurrency,
        )

    async def __aenter__(self) -> Self:
        await self._connection()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close what was opened here: connections, and an engine. The next call opens it anew."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()

    async def solve(
        self,
        problem: str,
        *,
        mode: Mode = "parallel",
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        history: Sequence[Mapping[str, str]] = (),
        routing_key: str | None = None,
        on_event: OnEvent | None = None,
    ) -> Result:
        """Work a problem out and return the result.

        Args:
            problem: the user's text; markup in it is data and has no effect.
            mode: "parallel", or "sequential": the same model without forks, the baseline.
            sampling: for this call, in place of the reasoner's.
            budget: for this call, in place of the reasoner's.
            history: earlier turns, as messages with `role` and `content`.
            routing_key: what a router keeps requests together by, the same for runs that begin alike, such as
                the turns of one conversation; a new one for each run where not given.
            on_event: called with every event, in order; a slow one slows the run.

        Raises:
            BackendError: the main line could not be decoded; `error.result` holds what was done.
            ConfigurationError: the server, the key or the model is not as given.
        """
        run = await self._prepare(problem, mode, sampling, budget, history, [on_event], routing_key)
        return await run.execute()

    def stream(
        self,
        problem: str,
        *,
        mode: Mode = "parallel",
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        history: Sequence[Mapping[str, str]] = (),
        routing_key: str | None = None,
        on_event: OnEvent | None = None,
    ) -> RunStream:
        """Return a run to watch: `async with reasoner.stream(…) as run: async for event in run: …`.

        Arguments and errors are those of `solve`; errors come out of the loop over the events.
        """

        async def prepare(out: OnEvent) -> Run:
            return await self._prepare(problem, mode, sampling, budget, history, [out, on_event], routing_key)

        return RunStream(prepare)

    async def solve_many(
        self,
        problems: Iterable[str],
        *,
        concurrency: int = 8,
        mode: Mode = "parallel",
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncGenerator[Result, None]:
        """Work many problems out and yield each result as it is done; `result.index` tells which it is.

        A problem that fails does not stop the others.

        Args:
            problems: read one by one, as places become free.
            concurrency: runs at once.

        Raises:
            ExceptionGroup: at the end, the errors of all problems that failed; each names its problem.
            ConfigurationError: `concurrency` is less than 1.
        """
        if concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}: use 1 or more")
        waiting = enumerate(problems)
        running: dict[asyncio.Task[Result], int] = {}
        errors: list[Exception] = []

        async def solve_one(index: int, problem: str) -> Result:
            run = await self._prepare(problem, mode, sampling, budget, (), [on_event], index=index)
            return await run.execute()

        def start_next() -> bool:
            numbered = next(waiting, None)
            if numbered is not None:
                running[asyncio.create_task(solve_one(*numbered))] = numbered[0]
            return numbered is not None

        try:
            while len(running) < concurrency and start_next():
                pass
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    index = running.pop(task)
                    start_next()
                    if task.cancelled():
                        raise asyncio.CancelledError
                    error = task.exception()
                    if isinstance(error, WeaverError):
                        error.add_note(f"problem {index}")
                        errors.append(error)
                    else:
                        yield task.result()
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
        if errors:
            raise ExceptionGroup(f"{len(errors)} problems failed", errors)

    def solve_sync(
        self,
        problem: str,
        *,
        mode: Mode = "parallel",
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        history: Sequence[Mapping[str, str]] = (),
        routing_key: str | None = None,
        on_event: OnEvent | None = None,
    ) -> Result:
        """Do what `solve` does, for code without an event loop. Every call opens and closes its connections.

        Raises:
            ConfigurationError: an event loop runs already.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError(
                "an event loop is running: use `await reasoner.solve(…)` in place of solve_sync"
            )

        async def solve_and_close() -> Result:
            try:
                return await self.solve(
                    problem,
                    mode=mode,
                    sampling=sampling,
                    budget=budget,
                    history=history,
                    routing_key=routing_key,
                    on_event=on_event,
                )
            finally:
                await self.aclose()

        return asyncio.run(solve_and_close())

    async def _prepare(
        self,
        problem: str,
        mode: Mode,
        sampling: Sampling | None,
        budget: Budget | None,
        history: Sequence[Mapping[str, str]],
        listeners: Iterable[OnEvent | None],
        routing_key: str | None = None,
        *,
        index: int | None = None,
    ) -> Run:
        if mode not in ("parallel", "sequential"):
            raise ConfigurationError(f'mode={mode!r}: use "parallel" or "sequential"')
        if not problem.strip():
            raise ConfigurationError("the problem is empty: give the text of a question")
        connection = await self._connection()
        config = RunConfig(
            run_id=uuid.uuid4().hex[:12],
            messages=(*map(dict, history), {"role": "user", "content": problem}),
            program=program_of(connection.chosen.strategy, mode),
            models=connection.models,
            mode=mode,
            sampling=sampling or self._sampling,
            budget=budget or self._budget,
            prefix=self._plan.prefix,
            stop_tokens=connection.stop_tokens,
            warm_joins=connection.warm_joins,
            index=index,
            routing_key=routing_key,
        )
        return Run(config, tuple(filter(None, listeners)))

    async def _connection(self) -> Connection:
        """Open the connection once, however many calls ask for it; a failed opening is tried again."""
        if self._opening is None or (
            self._opening.done() and (self._opening.cancelled() or self._opening.exception())
        ):
            self._opening = asyncio.create_task(self._plan.open())
        return await asyncio.shield(self._opening)
