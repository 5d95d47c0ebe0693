"""From what a run wrote down to its result."""

from __future__ import annotations

from weaver_sdk.markup import has_escaped_tags
from weaver_sdk.markup.answer import extract_answer
from weaver_sdk.markup.well_formed import is_well_formed
from weaver_sdk.result import Finish, NoForkReason, Result, Telemetry, TokensFrom, Trace
from weaver_sdk.runtime.lines import Line, freeze
from weaver_sdk.runtime.plan import Plan
from weaver_sdk.runtime.recorder import Recorder
from weaver_sdk.telemetry import measures


def summarize(plan: Plan, model: str, main: Line, recorder: Recorder, finish: Finish) -> Result:
    """Return the result of a run as far as it has come."""
    trace = freeze(main, plan.dialect)
    text = main.text(plan.dialect)
    telemetry = _telemetry(trace, main, recorder)
    return Result(
        run_id=plan.run_id,
        problem=plan.problem,
        model=model,
        mode=plan.mode,
        answer=_answer(plan, text, finish),
        text=text,
        finish=finish,
        trace=trace,
        repairs=list(recorder.repairs),
        telemetry=telemetry,
        well_formed=is_well_formed(
            text, plan.dialect, max(1, plan.budget.max_depth), think_open=plan.reasoning_begun
        ),
        no_fork_reason=_no_fork_reason(plan, trace, text, recorder),
        index=plan.index,
        strategy=plan.strategy,
        exact=plan.dialect.exact or telemetry.forks == 0,
        reliable_finish=plan.reliable_finish,
    )


def _answer(plan: Plan, text: str, finish: Finish) -> str | None:
    """Return the answer; all of the text, where it is whole and the model was shown no markup to write."""
    answer = extract_answer(text, plan.dialect)
    if answer is None and plan.strategy != "native" and plan.mode == "sequential" and finish == "stop":
        return text.strip() or None
    return answer


def _telemetry(trace: Trace, main: Line, recorder: Recorder) -> Telemetry:
    wall = recorder.now()
    critical = measures.critical_path_seconds(trace)
    forks = list(measures.forks_of(trace))
    sources: set[TokensFrom] = {piece.tokens_from for piece in main.pieces() if piece.tokens}
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
        prompt_tokens=recorder.prompt_tokens,
        cached_prompt_tokens=recorder.cached_prompt_tokens,
        fork_prefill_tokens=measures.fork_prefill_tokens(trace),
        join_prefill_tokens=measures.join_prefill_tokens(trace),
        join_seconds=measures.join_seconds(trace),
        warm_requests=recorder.warm_requests,
        warm_prefill_tokens=recorder.warm_prefill_tokens,
        drift_tokens=recorder.drift_tokens,
        requests=recorder.requests,
        retries=recorder.retries,
        tokens_from=_weakest(sources),
    )


def _weakest(sources: set[TokensFrom]) -> TokensFrom:
    if "chunks" in sources:
        return "chunks"
    return "token_ids" if "token_ids" in sources else "usage"


def _no_fork_reason(plan: Plan, trace: Trace, text: str, recorder: Recorder) -> NoForkReason | None:
    if next(measures.forks_of(trace), None) is not None:
        return None
    if plan.mode == "sequential":
        return "sequential_mode"
    if plan.budget.max_depth == 0 or plan.budget.max_threads == 0:
        return "max_depth"
    if plan.budget.max_forks == 0:
        return "max_forks"
    if any(repair.kind == "unreadable_outlines" for repair in recorder.repairs):
        return "unreadable_outlines"
    if has_escaped_tags(text, plan.dialect):
        return "escaped_tags"
    return "no_tag" if plan.strategy == "native" else "not_divided"
