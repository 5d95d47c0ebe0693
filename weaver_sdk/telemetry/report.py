"""What a run cost, in words: one line, or a table of rows. Plain text, styled elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weaver_sdk.result import ModelUsage, Repair, Result, Telemetry


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a run, ready to print."""

    name: str
    value: str
    meaning: str


def seconds_text(seconds: float) -> str:
    """Return a duration as people read it: `0.42 s`, `12.3 s`, `2 min 05 s`."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun: `1 token`, `1,204 tokens`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def timing_line(telemetry: Telemetry) -> str:
    """Return the cost of a run in one line."""
    return " · ".join(timing_parts(telemetry))


def timing_parts(telemetry: Telemetry) -> list[str]:
    """Return the parts of `timing_line`, for callers that wrap it."""
    parts = [f"{seconds_text(telemetry.wall_seconds)} wall"]
    if telemetry.forks:
        parts += [
            f"{seconds_text(telemetry.critical_path_seconds)} critical path",
            f"{count_text(telemetry.total_tokens, 'token')}, {telemetry.critical_path_tokens:,} critical",
            f"self-parallelism {telemetry.self_parallelism:.2f}",
        ]
    else:
        parts.append(count_text(telemetry.total_tokens, "token"))
        if telemetry.wall_seconds > 0:
            parts.append(f"{telemetry.total_tokens / telemetry.wall_seconds:.0f} tok/s")
    if telemetry.cached_prompt_tokens is not None and telemetry.prompt_tokens:
        share = telemetry.cached_prompt_tokens / telemetry.prompt_tokens
        parts.append(f"{share:.0%} of the input from the cache")
    if telemetry.retries:
        parts.append(f"{telemetry.retries} sent again")
    return parts


def rows(result: Result) -> list[Measure]:
    """Return the measures of a run, the most important first."""
    t = result.telemetry
    table = [
        Measure("wall clock", seconds_text(t.wall_seconds), "from the problem to the answer"),
        Measure("critical path", seconds_text(t.critical_path_seconds), "what had to run in sequence"),
        Measure("overhead", seconds_text(max(0.0, t.overhead_seconds)), "wall clock minus critical path"),
    ]
    if t.time_to_first_token is not None:
        table.append(
            Measure("first token", seconds_text(t.time_to_first_token), "after the problem was sent")
        )
    counted = {
        "usage": "as reported by the server",
        "token_ids": "counted token ids",
        "chunks": "counted chunks",
    }
    table += [
        Measure("tokens", f"{t.total_tokens:,}", counted[t.tokens_from]),
        Measure("on the critical path", f"{t.critical_path_tokens:,}", "tokens that had to come in sequence"),
    ]
    if t.forks:
        table += [
            Measure("self-parallelism", f"{t.self_parallelism:.2f}", "tokens / those on the critical path"),
            Measure("acceleration ratio", f"{t.acceleration_ratio:.2f}", "1 − critical path / tokens"),
            Measure("parallel ratio", f"{t.parallel_ratio:.2f}", "share of the tokens inside threads"),
        ]
    elif t.wall_seconds > 0:
        table.append(
            Measure("tokens a second", f"{t.total_tokens / t.wall_seconds:.0f}", "of the wall clock")
        )
    table.append(Measure("forks, threads", f"{t.forks}, {t.threads}", _why_no_fork(result)))
    if t.prompt_tokens is not None:
        table.append(Measure("input tokens", f"{t.prompt_tokens:,}", _from_cache(t)))
    if t.join_prefill_tokens is not None:
        ahead = f", {t.warm_prefill_tokens:,} ahead of them" if t.warm_prefill_tokens else ""
        meaning = f"{seconds_text(t.join_seconds)} to the first tokens after them{ahead}"
        table.append(Measure("computed again at joins", f"{t.join_prefill_tokens:,}", meaning))
    table.append(Measure("requests", f"{t.requests:,}", f"{t.retries} sent again" if t.retries else ""))
    if len(t.models) > 1:
        table += [
            Measure(f"model {name}", f"{used.tokens:,}", _used(used)) for name, used in t.models.items()
        ]
    if t.cost is not None:
        table.append(Measure("cost", cost_text(t.cost), "by the prices that were given"))
    if not result.reliable_finish:
        table.append(
            Measure(
                "finish reasons", "unreliable", "a truncated stream may look complete: see reliable_finish"
            )
        )
    return table


def text_report(result: Result) -> str:
    """Return the measures of a run as an aligned plain-text table, followed by its repairs."""
    table = rows(result)
    name = max(len(row.name) for row in table)
    value = max(len(row.value) for row in table)
    lines = [f"{row.name:<{name}}  {row.value:>{value}}  {row.meaning}".rstrip() for row in table]
    return "\n".join(lines + [f"repaired: {text}" for text in repairs(result.repairs)])


def repairs(mended: Iterable[Repair]) -> list[str]:
    """Return repairs of a run in words, each with its place."""
    lines = []
    for repair in mended:
        place = f"fork {repair.fork}, " if repair.fork is not None else ""
        place += f"thread {repair.thread}, " if repair.thread is not None else ""
        lines.append(f"{place}{repair.kind.replace('_', ' ')}: {repair.done}")
    return lines


def cost_text(cost: float) -> str:
    """Return an amount of money as people read it: two decimals, and more where it is small."""
    return f"{cost:,.2f}" if cost >= 1 or not cost else f"{cost:.4f}" if cost >= 0.001 else f"{cost:.6f}"


def _from_cache(telemetry: Telemetry) -> str:
    cached, tokens = telemetry.cached_prompt_tokens, telemetry.prompt_tokens
    if cached is None:
        return ""
    return f"{cached:,} from the cache" + (f", {cached / tokens:.0%}" if tokens else "")


def _used(used: ModelUsage) -> str:
    """Say what one of several models did, beside its tokens."""
    words = [used.model, count_text(used.requests, "request")]
    if used.prompt_tokens is not None:
        words.append(f"{used.prompt_tokens:,} input tokens")
    if used.cost is not None:
        words.append(f"cost {cost_text(used.cost)}")
    return ", ".join(words)


_NO_FORK = {
    "sequential_mode": "sequential mode",
    "no_tag": "the model opened no block",
    "not_divided": "the model saw no parts worth a fork",
    "escaped_tags": "the tags were escaped",
    "unreadable_outlines": "its outlines could not be read",
    "max_depth": "the budget allows no block",
    "max_forks": "the budget allows no more blocks",
}


def _why_no_fork(result: Result) -> str:
    reason = result.no_fork_reason
    return "" if reason is None else _NO_FORK.get(reason, reason.replace("_", " "))
