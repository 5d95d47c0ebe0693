"""What a run gives back: the trajectory, what happened in it, what it cost. Plain data that dumps to JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.messages import Message
from weaver_sdk.options import Mode

Outcome = Literal["done", "length", "eos", "empty", "error", "timeout", "cancelled"]
"""How a piece of text ended: `done` by its own closing tag, the others by something that cut it short."""

Finish = Literal["stop", "length", "budget", "cancelled", "error"]
"""How a run ended: `stop` by the model, `length` by the server's limit, `budget` by ours; `error` only in
what an error carries as its `result`."""

Phase = Literal["plan", "reasoning", "answer"]
"""What a piece of text is for: how the work is divided (markup and outlines too), the work, or the answer."""

TokensFrom = Literal["usage", "token_ids", "chunks"]
"""Where token counts come from, best first: the server's usage, token ids it sent, or chunks counted."""

RepairKind = Literal[
    # the outlines of a block
    "unclosed_outline",
    "unclosed_outlines",
    "unreadable_outlines",
    "untagged_outlines",
    "empty_outline",
    "outline_numbers",
    "single_outline",
    "missing_block_tag",
    "tag_spelling",
    # limits
    "threads_over_limit",
    "forks_over_limit",
    # one thread
    "thread_cut_by_length",
    "thread_ended_early",
    "thread_empty",
    "thread_failed",
    "thread_timed_out",
    "thread_opened_block",
    "thread_opened_thread",
    "thread_closed_block",
    "thread_closed_think",
    "thread_wrote_answer",
    # the main line
    "stray_tag",
    "unclosed_block",
    "unclosed_think",
    "led_to_answer",
    "resumed_stream",
]
"""What can be wrong with a model's text, or with the stream that brings it."""

NoForkReason = Literal[
    "sequential_mode",
    "no_tag",
    "not_divided",
    "escaped_tags",
    "unreadable_outlines",
    "max_depth",
    "max_forks",
]
"""Why a run has no block; `not_divided`: an untrained model was shown how, and saw no parts worth a fork."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One thing in the model's text that was not as it should be, and what was done about it."""

    kind: RepairKind
    """What was wrong."""
    done: str
    """What was done, in words."""
    fork: int | None = None
    """The block, counted from 1, where the repair lies in one."""
    thread: int | None = None
    """The thread's place in its block, counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of text outside threads, decoded in one go. Times are seconds since the run began."""

    kind: Literal["segment"] = "segment"
    text: str
    """As it stands in the trajectory; the closing tag that ended it is included."""
    tokens: int
    started: float
    ended: float
    outcome: Outcome
    reasoning: str = ""
    """What a chat server sent in a field of its own, beside the text. It is no part of the trajectory."""
    phase: Phase = "answer"
    """What its text is for; of a segment that goes over from one phase to the next, the last."""
    kept: bool = True
    """Whether its text belongs to the trajectory; else it was a question on the side."""
    model: str = "main"
    """Which of the run's models wrote it."""
    first_token: float | None = None
    """When its first token came; behind a join, what passed since `started` is mostly prefill."""
    prompt_tokens: int | None = None
    """Input tokens of its request, as the server counts them; `None` where it does not say."""
    cached_prompt_tokens: int | None = None
    """Those of them that came from the server's prefix cache; `None` where it does not say."""


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One sub-task of a block, a completion of its own. Times are seconds since the run began."""

    kind: Literal["thread"] = "thread"
    label: str
    """The number it carries in the text, as in `<Thread>\\n2:`."""
    outline: str
    text: str
    """What the thread wrote after its seed and before its closing tag."""
    tokens: int
    started: float
    """When its request was sent; time spent waiting for a free place is not in it."""
    ended: float
    outcome: Outcome
    error: str | None = None
    """What went wrong, where the outcome is `error` or `timeout`."""
    reasoning: str = ""
    """What a chat server sent in a field of its own, beside the text."""
    first_token: float | None = None
    """When its first token came."""
    prompt_tokens: int | None = None
    """Input tokens of its requests, without those of nested threads; `None` where the server does not say."""
    cached_prompt_tokens: int | None = None
    """Those of them that came from the server's prefix cache; `None` where it does not say."""
    trace: list[Segment | Fork] = field(default_factory=list)
    """The pieces of a thread that forked itself; empty for a plain one."""


@dataclass(frozen=True, kw_only=True)
class Fork:
    """A block: its threads in outline order, and the text that joined them."""

    kind: Literal["fork"] = "fork"
    fork: int
    """The block's number in the run, counted from 1."""
    threads: list[Thread]
    started: float
    ended: float
    joined: str
    """The exact text that was appended to the context at the join."""
    waited_after: int = 0
    """How many further parts of the trace ran before this one was waited for: 0 unless it was spawned."""


Trace = list[Segment | Fork]
"""A run in order of time: segments and blocks, taking turns."""


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """What one of a run's models did."""

    model: str
    """Its name at its server."""
    requests: int
    tokens: int
    """Tokens that it wrote."""
    prompt_tokens: int | None
    """Input tokens of its requests; `None` where the server does not say."""
    cached_prompt_tokens: int | None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    cost: float | None = None
    """By the prices that were given; `None` where they or the input tokens are not known."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Where the tokens and the seconds went. Names and formulas: arXiv 2512.07843, §4."""

    total_tokens: int
    """Tokens the model generated in the run."""
    critical_path_tokens: int
    """Tokens outside threads, and for each block those of its longest thread."""
    acceleration_ratio: float
    """1 − critical path / total, in tokens; 0 for a sequential run."""
    self_parallelism: float
    """Total / critical path, in tokens, of this very run. It is no speedup: wasted threads raise it."""
    parallel_ratio: float
    """Tokens inside blocks / total."""
    forks: int
    threads: int
    wall_seconds: float
    critical_path_seconds: float
    """Seconds of all segments, and for each block those of its slowest thread."""
    overhead_seconds: float
    """Wall clock minus critical path: ours, plus waiting for a free place."""
    time_to_first_token: float | None
    prompt_tokens: int | None
    """Input tokens of all requests, as the server counts them; `None` where it does not say."""
    cached_prompt_tokens: int | None
    """Those of them that came from the server's prefix cache; `None` where it does not say."""
    fork_prefill_tokens: int | None = None
    """Input tokens of threads that did not come from the cache. `None` where the server does not say."""
    join_prefill_tokens: int | None = None
    """Input tokens that the first request behind each join had to compute although they had been decoded:
    threads that were not in the cache at their new place. `None` where the server does not say."""
    join_seconds: float = 0.0
    """Seconds between sending these requests and their first tokens, over all joins."""
    warm_requests: int = 0
    """Requests that did nothing but compute joined threads ahead, while a later thread still ran."""
    warm_prefill_tokens: int | None = None
    """Input tokens that those computed. `None` where there were none, or the server does not say."""
    drift_tokens: int | None = None
    """Tokens that the model wrote and that were other ones when their text came back, in the last request of
    the main line: 0 where prefixes are sent as tokens. `None` where the server does not tell its input."""
    requests: int
    retries: int
    tokens_from: TokensFrom
    """Where the counts come from; the weakest source of the run is named."""
    models: dict[str, ModelUsage] = field(default_factory=dict)
    """The same by model, under the names that the strategy asks for; "main" is the reasoner's own."""
    cost: float | None = None
    """Of all models together; `None` where one of them is not known."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a strategy may know of a run when it says what came of it."""

    text: str
    prompt: str
    """What the text stands behind; "" where nothing went on from it."""
    answer: str
    """The text of the main line's phase "answer"."""
    forks: int
    finish: Finish
    mode: Mode
    repairs: tuple[Repair, ...] = ()
    max_depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What came of a run, as its strategy reads its text."""

    answer: str | None
    well_formed: bool = True
    exact: bool = True
    no_fork_reason: NoForkReason = "not_divided"
    """Why there is no fork, where there is none and no limit forbade it."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run."""

    run_id: str
    problem: str
    model: str
    mode: Mode
    answer: str | None
    """The content of the last balanced `\\boxed{…}`, else the text after the reasoning, else `None`."""
    text: str
    """The whole stitched trajectory, byte for byte, without the prompt."""
    finish: Finish
    trace: Trace
    repairs: list[Repair]
    telemetry: Telemetry
    well_formed: bool
    """Whether the trajectory is the strict form of its dialect."""
    no_fork_reason: NoForkReason | None = None
    """Why the run did not fork; `None` where it did."""
    strategy: str = "native"
    """The name of the strategy that led the run."""
    exact: bool = True
    """Whether joined text is what the dialect's models were trained on; `False` where stitching only comes
    near to it. See `Dialect.exact`."""
    reliable_finish: bool = True
    """Whether a text that is told to be whole is; `False` where what lies between us and the server may have
    made its end up. See `Capabilities.reliable_finish`."""
    index: int | None = None
    """The problem's place among those given to `solve_many`."""
    messages: tuple[Message, ...] = ()
    """The conversation that the run was given; its last turn is the problem."""

    def to_messages(self) -> tuple[Message, ...]:
        """Return the conversation with the answer as its last turn, without the reasoning.

        Put the next question behind it: `[*result.to_messages(), {"role": "user", "content": …}]`, or give it
        as `history`.

        Raises:
            ConfigurationError: the run ended without an answer.
        """
        said = final_text(self)
        if not said:
            raise ConfigurationError(
                f"run {self.run_id} ended without an answer (finish={self.finish!r}): go on from its messages"
            )
        asked = self.messages or ({"role": "user", "content": self.problem},)
        return (*asked, {"role": "assistant", "content": said})

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON types."""
        data: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return data

    def to_json(self) -> str:
        """Return the result as one line of JSON."""
        return _adapter().dump_json(self).decode()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Return the result that `to_dict` was called on. Keys that are not known are overlooked.

        Raises:
            ConfigurationError: the data is not that of a result; says where.
        """
        with _named_faults():
            return _adapter().validate_python(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Return the result that `to_json` was called on. Keys that are not known are overlooked.

        Raises:
            ConfigurationError: the text is not JSON, or not that of a result; says where.
        """
        with _named_faults():
            return _adapter().validate_json(text)


def final_text(result: Result) -> str:
    """Return what the model says to the user: the text behind its reasoning, else the answer, else none."""
    _, closed, after = result.text.rpartition("</think>")
    return (after.strip() if closed else "") or result.answer or ""


@contextmanager
def _named_faults() -> Iterator[None]:
    """Turn what is wrong with the data of a result into one line; it names the place, and quotes nothing."""
    try:
        yield
    except ValidationError as error:
        first, *more = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(map(str, first["loc"]))
        others = f" (and {len(more)} more faults)" if more else ""
        raise ConfigurationError(
            f"this is not the data of a result: {f'{where}: ' if where else ''}{first['msg']}{others}"
        ) from None


@cache  # built at first use: a schema costs milliseconds that `import weaver_sdk` should not pay
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
