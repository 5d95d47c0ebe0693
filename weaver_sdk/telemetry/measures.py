"""The measures of a run, computed from its trace. Names and formulas: arXiv 2512.07843, §4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weaver_sdk.result import Fork, Segment, Thread, Trace


def total_tokens(trace: Trace) -> int:
    """Return all tokens that the model generated."""
    return sum(part.tokens if isinstance(part, Segment) else block_tokens(part) for part in trace)


def block_tokens(fork: Fork) -> int:
    """Return the tokens of all threads of a block."""
    return sum(thread.tokens for thread in fork.threads)


def critical_path_tokens(trace: Trace) -> int:
    """Return the tokens outside threads, and for each block those of its longest thread."""
    return int(
        longest_path(
            (part.tokens, part.waited_after)
            if isinstance(part, Segment)
            else (max(map(_critical_tokens, part.threads), default=0), part.waited_after)
            for part in trace
        )
    )


def critical_path_seconds(trace: Trace) -> float:
    """Return the seconds of all segments, and for each block those of its slowest thread."""
    return longest_path(
        (part.ended - part.started, part.waited_after)
        if isinstance(part, Segment)
        else (max(map(_critical_seconds, part.threads), default=0.0), part.waited_after)
        for part in trace
    )


def longest_path(parts: Iterable[tuple[float, int | None]]) -> float:
    """Return the length of the longest path through parts that follow one another.

    Args:
        parts: the length of each, and how many further parts ran before it was waited for: 0 if the next part
            waits for it, `None` if only the end does.
    """
    now, latest = 0.0, 0.0
    running: list[tuple[float, int]] = []  # when a part ends, and which part waits for it
    for index, (length, waited_after) in enumerate(parts):
        now = max([now, *(end for end, waiting in running if waiting == index)])
        if waited_after == 0:
            now += length
        elif waited_after is None:
            latest = max(latest, now + length)
        else:
            running.append((now + length, index + 1 + waited_after))
    return max([now, latest, *(end for end, _ in running)])


def acceleration_ratio(trace: Trace) -> float:
    """Return 1 − critical path / total, in tokens; 0 for a run without tokens."""
    total = total_tokens(trace)
    return 1 - critical_path_tokens(trace) / total if total else 0.0


def self_parallelism(trace: Trace) -> float:
    """Return total / critical path, in tokens; 1 for a run without tokens. This is not a speedup."""
    critical = critical_path_tokens(trace)
    return total_tokens(trace) / critical if critical else 1.0


def parallel_ratio(trace: Trace) -> float:
    """Return the share of tokens that lie inside blocks; 0 for a run without tokens."""
    total = total_tokens(trace)
    return sum(block_tokens(part) for part in trace if isinstance(part, Fork)) / total if total else 0.0


def dropped_tokens(trace: Trace) -> int:
    """Return the tokens of speculative answers that were not taken."""
    dropped = (part for part in trace if isinstance(part, Segment) and not part.kept)
    return sum(part.tokens for part in dropped if part.phase == "answer")


def fork_prefill_tokens(trace: Trace) -> int | None:
    """Return the uncached input tokens of all threads; `None` if no server reported them."""
    return known_sum(_computed(thread) for fork in forks_of(trace) for thread in fork.threads)


def join_prefill_tokens(trace: Trace) -> int | None:
    """Return the uncached input tokens after joins; `None` if no server reported them."""
    return known_sum(_computed(segment) for segment in _after_joins(trace))


def join_seconds(trace: Trace) -> float:
    """Return the seconds from sending the first request after each join to its first token, summed."""
    return sum(
        segment.first_token - segment.started
        for segment in _after_joins(trace)
        if segment.first_token is not None
    )


def forks_of(trace: Trace) -> Iterator[Fork]:
    """Yield every block, nested ones after the block that holds them."""
    for part in trace:
        if isinstance(part, Fork):
            yield part
            for thread in part.threads:
                yield from forks_of(thread.trace)


def known_sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum of the known counts; `None` if there are none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def slowest_thread(fork: Fork) -> Thread | None:
    """Return the thread that a block waited for; `None` if it has no threads."""
    return max(fork.threads, key=lambda thread: thread.ended, default=None)


def _critical_tokens(thread: Thread) -> int:
    return critical_path_tokens(thread.trace) if thread.trace else thread.tokens


def _critical_seconds(thread: Thread) -> float:
    return critical_path_seconds(thread.trace) if thread.trace else thread.ended - thread.started


def _after_joins(trace: Trace) -> Iterator[Segment]:
    """Yield the first completion after each block, also inside threads."""
    joined = False
    for part in trace:
        if isinstance(part, Fork):
            joined = True
            for thread in part.threads:
                yield from _after_joins(thread.trace)
        elif joined and (part.tokens or part.first_token is not None):
            joined = False
            yield part


def _computed(part: Segment | Thread | Fork) -> int | None:
    if isinstance(part, Thread) and part.trace:  # later requests of a thread that forks count as joins
        part = next((piece for piece in part.trace if isinstance(piece, Fork) or piece.tokens), part.trace[0])
    if isinstance(part, Fork) or part.prompt_tokens is None or part.cached_prompt_tokens is None:
        return None
    return part.prompt_tokens - part.cached_prompt_tokens
