"""`ParallelReasoner`: a problem goes in, threads run at once, an answer with its timing comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from weaver_sdk.backends.base import Backend, Capabilities
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.batch import Problems, results_of, run_alone
from weaver_sdk.errors import ConfigurationError, WeaverError
from weaver_sdk.events import Event
from weaver_sdk.messages import Messages, conversation
from weaver_sdk.options import AnswerForm, Budget, Limits, PrefixForm, Prices, RetryPolicy, Sampling
from weaver_sdk.question_range import check_range
from weaver_sdk.result import Result
from weaver_sdk.run_options import RunOptions, checked
from weaver_sdk.runtime.run import Run
from weaver_sdk.runtime.stream import RunStream
from weaver_sdk.runtime.stream_sync import SyncRunStream
from weaver_sdk.session import Session
from weaver_sdk.session_config import ApiChoice, ModelChoice, SessionConfig, TemplateChoice

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2
    import openai

    from weaver_sdk.engines.engine import Engine
    from weaver_sdk.markup import Dialect
    from weaver_sdk.strategies.choose import StrategyChoice


class ParallelReasoner:
    """Solves problems with threads that run at once, on any OpenAI-compatible server.

    ```python
    async with ParallelReasoner(model="my-model", base_url="http://127.0.0.1:8000/v1") as reasoner:
        result = await reasoner.solve("Compute 47*86 + 93*12")
        print(result.answer)
    ```

    One reasoner serves any number of problems at once. Connections are opened at first use and closed with
    the block, or by `aclose()`.

    Args:
        model: the model's name on the server; may be left out if the server has just one.
        base_url: the address that `/completions` is appended to; else `WEAVER_BASE_URL` or `OPENAI_BASE_URL`.
        api_key: else `WEAVER_API_KEY` or `OPENAI_API_KEY`; never shown.
        client: an `openai.AsyncOpenAI` to send requests through; never closed here.
        http_client: an `httpx2.AsyncClient` to send requests with; never closed here.
        backend: any `Backend`, instead of a server.
        engine: a server that is started with the reasoner and stopped with it.
        models: further models for strategies that use several: a name on the same server, a `Server` or a
            `Backend`, by the name that the strategy uses. "main" is the reasoner's own.
        api: which endpoint to use: "completions", "chat", or "auto": `/completions` if the server has it.
        capabilities: what the server can do, if you know better than its answers.
        dialect: the markup that the model was trained to write, by name or as data; by default from the
            model's name, else ThreadWeaver's.
        template: how a question becomes a prompt: a named template, "raw", a callable from messages to text,
            or "auto": the server's own, else the one for the model's name.
        strategy: how a problem is solved: "native" (the model was trained to fork), "prompted" (the model is
            shown the markup in examples, and a grammar enforces it if the server takes one), "planned" (plan,
            parts and join are separate requests), another name such as "voting:n=7", a `Strategy`, an
            `async def` that takes a `Scope`, or "auto", by the rule of `strategies.choose`.
        prefix: what requests begin with: "text", or "tokens": the exact tokens that the model wrote, if the
            server accepts and returns them (vLLM, the embedded engine). See `Telemetry.drift_tokens`.
        warm_joins: whether to prefill finished threads before their join while a later one still runs. Spends
            input tokens for an earlier next token; where the wall clock gains by it has not been shown yet.
        answer: "text", or "boxed": asked for in a box, so that it can be compared.
        metered: whether tokens cost money. If not, "planned" starts the plain answer beside the plan. By
            default they do, except with an `engine`, or a vLLM, SGLang or llama.cpp on this machine.
        side_by_side: tokens per second of four streams at once on the server, as a multiple of one stream's;
            measured at first use, and kept for a week, if not given.
        sampling: how the model samples tokens.
        budget: how much one run may spend.
        prices: what a model costs, by its name on the server; `Telemetry.cost` is computed from it.
        max_concurrency: completions that run at once, over all runs, or `Limits`.
        retries: further attempts of a request that failed, or a `RetryPolicy`.
        timeout: seconds of silence after which a stream is given up, or `Timeouts`.

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
        models: Mapping[str, ModelChoice] | None = None,
        api: ApiChoice = "auto",
        capabilities: Capabilities | None = None,
        dialect: str | Dialect | None = None,
        template: TemplateChoice = "auto",
        strategy: StrategyChoice = "auto",
        prefix: PrefixForm = "text",
        warm_joins: bool = False,
        answer: AnswerForm = "text",
        metered: bool | None = None,
        side_by_side: float | None = None,
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        prices: Mapping[str, Prices] | None = None,
        max_concurrency: int | Limits = 64,
        retries: int | RetryPolicy = 2,
        timeout: float | Timeouts = 60.0,
    ) -> None:
        self._config = SessionConfig(
            model=model,
            base_url=base_url,
            api_key=api_key,
            client=client,
            http_client=http_client,
            backend=backend,
            engine=engine,
            models=models or {},
            api=api,
            capabilities=capabilities,
            dialect=dialect,
            template=template,
            strategy=strategy,
            prefix=prefix,
            warm_joins=warm_joins,
            answer=answer,
            metered=metered,
            side_by_side=side_by_side,
            sampling=Sampling() if sampling is None else sampling,
            budget=Budget() if budget is None else budget,
            prices=prices or {},
            limits=Limits.of(max_concurrency),
            retries=RetryPolicy.of(retries),
            timeouts=timeout if isinstance(timeout, Timeouts) else Timeouts(idle=timeout),
        )
        self._opening: asyncio.Task[Session] | None = None

    @classmethod
    def local(
        cls,
        model: str | Path | None = None,
        *,
        strategy: StrategyChoice = "auto",
        sampling: Sampling | None = None,
        budget: Budget | None = None,
        max_concurrency: int = 8,
        context_tokens: int | None = None,
    ) -> Self:
        """Return a reasoner with its own engine, which starts at first use and ends with the reasoner.

        Needs the extra `local`. The packaged model refuses what it cannot answer: `QuestionOutOfRange`.

        Args:
            model: a GGUF file, "hf:OWNER/REPO[:FILE]" or "smollm2"; the packaged model if not given.
            strategy: how a problem is solved.
            sampling: greedy if not given.
            budget: how much one run may spend.
            max_concurrency: threads that the engine decodes at once.
            context_tokens: tokens of one completion, its prompt included: see `LlamaServer`.

        Raises:
            EngineStartFailed: the package that holds the model is not installed.
        """
        from weaver_sdk.engines.llama import LlamaServer

        return cls(
            engine=LlamaServer(model, slots=max_concurrency, context_tokens=context_tokens),
            strategy=strategy,
            sampling=sampling or Sampling(temperature=0.0),
            budget=budget,
            max_concurrency=max_concurrency,
        )

    def __repr__(self) -> str:
        return f"<ParallelReasoner {self._config.in_words()}>"

    async def __aenter__(self) -> Self:
        await self._session()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the engine. The next call opens them again."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()

    async def solve(self, problem: str | Messages, **options: Unpack[RunOptions]) -> Result:
        """Solve a problem and return the result.

        Args:
            problem: the user's text, or a conversation that ends with it; markup in it is data and has no
                effect. Content parts, such as images, go to a chat server unchanged.
            **options: `RunOptions`.

        Raises:
            BackendError: a request of the main line failed; `error.result` holds what was done. See
                `partial_result` for a run that was cancelled or timed out.
            ConfigurationError: an option, the server, the key or the model is wrong.
        """
        run = await self._run(problem, options, [options.get("on_event")])
        return await run.execute()

    def stream(self, problem: str | Messages, **options: Unpack[RunOptions]) -> RunStream:
        """Return a run to watch: `async with reasoner.stream(…) as run: async for text in run.text(): …`.

        Arguments and errors are those of `solve`; errors are raised by the loop.
        """

        async def prepare(out: Callable[[Event], None]) -> Run:
            return await self._run(problem, options, [out, options.get("on_event")])

        return RunStream(prepare)

    async def solve_many(
        self, problems: Problems, *, concurrency: int = 8, **options: Unpack[RunOptions]
    ) -> AsyncGenerator[Result, None]:
        """Solve many problems and yield each result as soon as it is done; `result.index` is the problem's.

        A problem that fails does not stop the others.

        Args:
            problems: read one by one, as runs end; an async iterator too.
            concurrency: runs at once.
            **options: `RunOptions`.

        Raises:
            ExceptionGroup: at the end, the errors of all problems that failed; each names its problem.
            ConfigurationError: `concurrency` is less than 1, or `problems` is a text.
        """
        if concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}: use 1 or more")
        of_listeners: list[BaseException] = []

        async def solve_one(index: int, problem: str | Messages) -> Result:
            run = await self._run(problem, options, [options.get("on_event")], index=index)
            try:
                return await run.execute()
            except WeaverError as error:
                if run.raised_by_listener(error):
                    of_listeners.append(error)
                raise

        runs = results_of(problems, solve_one, concurrency, fatal=lambda error: error in of_listeners)
        async with aclosing(runs) as results:
            async for result in results:
                yield result

    def solve_sync(self, problem: str | Messages, **options: Unpack[RunOptions]) -> Result:
        """Do what `solve` does, for code without an event loop. Each call opens and closes connections.

        Raises:
            ConfigurationError: an event loop is already running.
        """
        return run_alone(lambda: self.solve(problem, **options), self.aclose)

    def stream_sync(self, problem: str | Messages, **options: Unpack[RunOptions]) -> SyncRunStream:
        """Do what `stream` does, for code without an event loop: `with … as run: for text in run.text(): …`.

        `with` raises `ConfigurationError` where an event loop is already running.
        """
        return SyncRunStream(self.stream(problem, **options), self.aclose)

    async def _run(
        self,
        problem: str | Messages,
        options: RunOptions,
        listeners: Iterable[Callable[[Event], None] | None],
        *,
        index: int | None = None,
    ) -> Run:
        checked(options)
        messages = conversation(problem, system=options.get("system"), history=options.get("history") or ())
        check_range(self._config.engine, options.get("strategy") or self._config.strategy, messages)
        session = await self._session()
        return Run(await session.run_config(messages, options, index), tuple(filter(None, listeners)))

    async def _session(self) -> Session:
        """Open the session once for all calls; try again if opening failed."""
        if self._opening is None or (
            self._opening.done() and (self._opening.cancelled() or self._opening.exception())
        ):
            self._opening = asyncio.create_task(Session.open(self._config))
        return await asyncio.shield(self._opening)
