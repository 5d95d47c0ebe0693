"""The result of a run: the trajectory, what happened in it, what it cost. Plain data that dumps to JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.messages import Message
from weaver_sdk.options import Mode
from weaver_sdk.result_views import html_view, one_line, rich_view

if TYPE_CHECKING:
    from rich.console import Group

Outcome = Literal["done", "length", "eos", "empty", "error", "timeout", "cancelled"]
"""How a text ended: `done` at its own closing tag; otherwise, what cut it short."""

Finish = Literal["stop", "length", "budget", "cancelled", "error"]
"""How a run ended: `stop` by the model, `length` by the server's limit, `budget` by ours; `error` only in
the `result` of an error."""

Phase = Literal["plan", "reasoning", "answer"]
"""What a text is for: dividing the work (markup and outlines too), the work itself, or the answer."""

TokensFrom = Literal["usage", "token_ids", "chunks"]
"""Where token counts come from, best first: the server's usage, its token ids, or chunks counted."""

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
"""What can be wrong with a model's text, or with its stream."""

NoForkReason = Literal[
    "sequential_mode",
    "no_tag",
    "not_divided",
    "one_piece",
    "too_short",
    "server_gains_nothing",
    "escaped_tags",
    "unreadable_outlines",
    "max_depth",
    "max_forks",
]
"""Why a run has no block. `not_divided`: an untrained model wrote none, though it was shown how. `one_piece`:
the plan has no parts. `too_short`: its parts are too short for a fork to save time. `server_gains_nothing`:
the server takes as long for requests at once as for one after the other."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One fault in the model's text, and what was done about it."""

    kind: RepairKind
    """What was wrong."""
    done: str
    """What was done, in words."""
    fork: int | None = None
    """The block, counted from 1, if the fault was in one."""
    thread: int | None = None
    """The thread's place in its block, counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of text outside threads, decoded in one go. Times are seconds since the run began."""

    kind: Literal["segment"] = "segment"
    text: str
    """As in the trajectory, including the closing tag that ended it."""
    tokens: int
    started: float
    ended: float
    outcome: Outcome
    reasoning: str = ""
    """What a chat server sent in a separate reasoning field. Not part of the trajectory."""
    phase: Phase = "answer"
    """What its text is for; the last phase if there are several."""
    kept: bool = True
    """Whether its text belongs to the trajectory; otherwise it answers a side question."""
    model: str = "main"
    """Which of the run's models wrote it."""
    first_token: float | None = None
    """When its first token came; after a join, the time since `started` is mostly prefill."""
    prompt_tokens: int | None = None
    """Input tokens of its request, as reported by the server; `None` if not reported."""
    cached_prompt_tokens: int | None = None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    waited_after: int = 0
    """How many further parts of the trace began before this one was awaited: 0 unless it ran beside them."""


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One sub-task of a block, a completion of its own. Times are seconds since the run began."""

    kind: Literal["thread"] = "thread"
    label: str
    """Its number in the text, as in `<Thread>\\n2:`."""
    outline: str
    text: str
    """What the thread wrote after its seed and before its closing tag."""
    tokens: int
    started: float
    """When its request was sent; time spent waiting for a permit is not included."""
    ended: float
    outcome: Outcome
    error: str | None = None
    """What went wrong, if the outcome is `error` or `timeout`."""
    reasoning: str = ""
    """What a chat server sent in a separate reasoning field."""
    first_token: float | None = None
    """When its first token came."""
    prompt_tokens: int | None = None
    """Input tokens of its requests, without nested threads; `None` if not reported."""
    cached_prompt_tokens: int | None = None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    trace: list[Segment | Fork] = field(default_factory=list)
    """The segments and forks of a thread that forked itself; otherwise empty."""


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
    """How many further parts of the trace ran before this one was awaited: 0 unless it was spawned."""


Trace = list[Segment | Fork]
"""A run in order of time: segments and blocks."""


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """What one of a run's models did."""

    model: str
    """Its name on its server."""
    requests: int
    tokens: int
    """Tokens that it wrote."""
    prompt_tokens: int | None
    """Input tokens of its requests; `None` if not reported."""
    cached_prompt_tokens: int | None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    cost: float | None = None
    """By the given prices; `None` if they or the input tokens are unknown."""


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
    """Total / critical path, in tokens, of this run. Not a speedup: wasted threads raise it."""
    parallel_ratio: float
    """Tokens inside blocks / total."""
    forks: int
    threads: int
    wall_seconds: float
    critical_path_seconds: float
    """Seconds of all segments, and for each block those of its slowest thread."""
    overhead_seconds: float
    """Wall clock minus critical path: the client's own time, and waiting for permits."""
    time_to_first_token: float | None
    time_to_first_text: float | None = None
    """When the first text of the answer came; `None` if none did."""
    prompt_tokens: int | None
    """Input tokens of all requests, as reported by the server; `None` if not reported."""
    cached_prompt_tokens: int | None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    fork_prefill_tokens: int | None = None
    """Uncached input tokens of threads; `None` if not reported."""
    join_prefill_tokens: int | None = None
    """Input tokens that the first request after each join prefilled again although they had been decoded:
    threads that were not in the cache at their new position. `None` if not reported."""
    join_seconds: float = 0.0
    """Seconds between sending these requests and their first tokens, over all joins."""
    warm_requests: int = 0
    """Requests that only prefilled threads for their join, while a later thread still ran."""
    warm_prefill_tokens: int | None = None
    """Input tokens that those prefilled. `None` if there were none, or not reported."""
    drift_tokens: int | None = None
    """Tokens of the model that became different tokens when their text was sent back, in the last request of
    the main line: 0 if prefixes are sent as tokens. `None` if the server does not report its input tokens."""
    dropped_tokens: int = 0
    """Tokens of speculative answers that were dropped for a fork."""
    requests: int
    retries: int
    tokens_from: TokensFrom
    """Where the counts come from: the weakest source in the run."""
    models: dict[str, ModelUsage] = field(default_factory=dict)
    """Usage by model, under the names that the strategy uses; "main" is the reasoner's own."""
    cost: float | None = None
    """Of all models together; `None` if one of them is unknown."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """A finished run. Rich and notebooks show its answer and what it cost."""

    run_id: str
    problem: str
    model: str
    mode: Mode
    answer: str | None
    """What the model answers. Of a trained model, or with `answer="boxed"`: the content of the last balanced
    `\\boxed{…}`, if there is one. `None` if there is no answer."""
    text: str
    """The whole stitched trajectory, byte for byte, without the prompt."""
    finish: Finish
    trace: Trace
    repairs: list[Repair]
    telemetry: Telemetry
    well_formed: bool
    """Whether the trajectory has the strict form of its dialect."""
    no_fork_reason: NoForkReason | None = None
    """Why the run did not fork; `None` if it did."""
    strategy: str = "native"
    """The name of the run's strategy."""
    exact: bool = True
    """Whether joined text is what the dialect's models were trained on; `False` if it only approximates
    that. See `Dialect.exact`."""
    reliable_finish: bool = True
    """Whether `finish` can be trusted. `False` behind a proxy that may report an end the server never sent.
    See `Capabilities.reliable_finish`."""
    index: int | None = None
    """The problem's index among those given to `solve_many`."""
    messages: tuple[Message, ...] = ()
    """The conversation that the run was given; its last turn is the problem."""

    def __repr__(self) -> str:
        return one_line(self)

    def __rich__(self) -> Group:
        return rich_view(self)

    def _repr_html_(self) -> str:
        return html_view(self)

    def to_messages(self) -> tuple[Message, ...]:
        """Return the conversation with the answer as its last turn, without the reasoning.

        To ask the next question, append it: `[*result.to_messages(), {"role": "user", "content": …}]`, or
        pass the conversation as `history`.

        Raises:
            ConfigurationError: the run ended without an answer.
        """
        said = final_text(self)
        if not said:
            raise ConfigurationError(
                f"run {self.run_id} ended without an answer (finish={self.finish!r}): use its messages"
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
        """Return the result that `to_dict` was called on. Unknown keys are ignored.

        Raises:
            ConfigurationError: the data is not a result's; says where it differs.
        """
        with _readable_errors():
            return _adapter().validate_python(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Return the result that `to_json` was called on. Unknown keys are ignored.

        Raises:
            ConfigurationError: the text is not JSON, or not a result's; says where it differs.
        """
        with _readable_errors():
            return _adapter().validate_json(text)


def final_text(result: Result) -> str:
    """Return what the model says to the user: the text after its reasoning, else the answer, else ""."""
    _, closed, after = result.text.rpartition("</think>")
    return (after.strip() if closed else "") or result.answer or ""


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn validation errors into one line that names the place and quotes no data."""
    try:
        yield
    except ValidationError as error:
        first, *more = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(map(str, first["loc"]))
        others = f" (and {len(more)} more errors)" if more else ""
        raise ConfigurationError(
            f"not the data of a result: {f'{where}: ' if where else ''}{first['msg']}{others}"
        ) from None


@cache  # built at first use: a schema costs milliseconds that `import weaver_sdk` should not pay
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
