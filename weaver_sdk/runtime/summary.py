"""From what a run wrote down to its result."""

from __future__ import annotations

from weaver_sdk.findings import Draft
from weaver_sdk.result import Finish, ModelUsage, NoForkReason, Result, Telemetry, TokensFrom, Trace
from weaver_sdk.runtime.config import RunConfig
from weaver_sdk.runtime.lines import LiveThread, freeze
from weaver_sdk.runtime.recorder import Recorder
from weaver_sdk.telemetry import measures


def summarize(config: RunConfig, main: LiveThread, recorder: Recorder, finish: Finish, prompt: str) -> Result:
    """Return the result of a run as far as it has come."""
    trace, text = freeze(main), main.text
    telemetry = _telemetry(trace, main, recorder, config)
    draft = Draft(
        text=text,
        prompt=prompt,
        answer="".join(main.answer),
        forks=telemetry.forks,
        finish=finish,
        mode=config.mode,
        repairs=tuple(recorder.repairs),
        max_depth=config.budget.max_depth,
    )
    found = config.program.read(draft)
    backend = config.models["main"].backend
    return Result(
        run_id=config.run_id,
        problem=config.problem,
        model=backend.model,
        mode=config.mode,
        answer=found.answer,
        text=text,
        finish=finish,
        trace=trace,
        repairs=list(recorder.repairs),
        telemetry=telemetry,
        well_formed=found.well_formed,
        no_fork_reason=(
            _limit_on_forks(config) or recorder.no_fork_reason or found.no_fork_reason
            if telemetry.forks == 0
            else None
        ),
        index=config.index,
        strategy=config.program.name,
        exact=found.exact,
        reliable_finish=backend.capabilities.reliable_finish,
        messages=config.messages,
    )


def _telemetry(trace: Trace, main: LiveThread, recorder: Recorder, config: RunConfig) -> Telemetry:
    wall = recorder.now()
    critical = measures.critical_path_seconds(trace)
    forks = list(measures.forks_of(trace))
    sources: set[TokensFrom] = {segment.tokens_from for segment in main.segments() if segment.tokens}
    models = _models(main, recorder, config)
    costs = [usage.cost for usage in models.values()]
    return Telemetry(
        total_tokens=measures.total_tokens(trace),
        critical_path_tokens=measures.critical_path_tokens(trace),
        acceleration_ratio=measures.acceleration_ratio(trace),
        self_parallelism=measures.self_parallelism(trace),
        parallel_ratio=measures.parallel_ratio(trace),
        forks=len(forks),
        threads=sum(len(fork.threads) for fork in forks),
        wall_seconds=wall,
        critical_path_seconds=critical,
        overhead_seconds=max(0.0, wall - critical),
        time_to_first_token=recorder.first_token,
        time_to_first_text=recorder.first_answer,
        prompt_tokens=recorder.prompt_tokens,
        cached_prompt_tokens=recorder.cached_prompt_tokens,
        fork_prefill_tokens=measures.fork_prefill_tokens(trace),
        join_prefill_tokens=measures.join_prefill_tokens(trace),
        join_seconds=measures.join_seconds(trace),
        warm_requests=recorder.warm_requests,
        warm_prefill_tokens=recorder.warm_prefill_tokens,
        drift_tokens=recorder.drift_tokens,
        dropped_tokens=measures.dropped_tokens(trace),
        requests=recorder.requests,
        retries=recorder.retries,
        tokens_from=_weakest(sources),
        models=models,
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


def _models(main: LiveThread, recorder: Recorder, config: RunConfig) -> dict[str, ModelUsage]:
    """Return what each model that was asked did, by the name that the strategy asked for."""
    used: dict[str, ModelUsage] = {}
    for name, counted in recorder.models.items():
        model = config.models[name]
        written = sum(segment.tokens for segment in main.segments() if segment.model == name)
        cost = None
        if model.prices is not None and counted.prompt_tokens is not None:
            cost = model.prices.cost(
                prompt_tokens=counted.prompt_tokens,
                cached_prompt_tokens=counted.cached_prompt_tokens or 0,
                completion_tokens=written,
            )
        used[name] = ModelUsage(
            model=model.backend.model,
            requests=counted.requests,
            tokens=written,
            prompt_tokens=counted.prompt_tokens,
            cached_prompt_tokens=counted.cached_prompt_tokens,
            cost=cost,
        )
    return used


def _weakest(sources: set[TokensFrom]) -> TokensFrom:
    if "chunks" in sources:
        return "chunks"
    return "token_ids" if "token_ids" in sources else "usage"


def _limit_on_forks(config: RunConfig) -> NoForkReason | None:
    if config.mode == "sequential":
        return "sequential_mode"
    if config.budget.max_depth == 0 or config.budget.max_threads == 0:
        return "max_depth"
    return "max_forks" if config.budget.max_forks == 0 else None
