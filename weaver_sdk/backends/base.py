"""The contract between the runtime and a server: a request goes in, chunks come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from weaver_sdk.messages import Message, Messages
from weaver_sdk.options import Sampling


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The user's problem, in the two forms that servers take. It is data: no markup is ever read in it."""

    text: str
    """The chat template applied, ready for the model to write on: what `/v1/completions` takes."""
    messages: tuple[Message, ...] = ()
    """The turns: what `/v1/chat/completions` takes. They are sent as they are, images and all."""


@dataclass(frozen=True, kw_only=True)
class SharedPrefix:
    """Told with each of the completions of one fork: they begin alike and are sent at once."""

    key: str
    """The same for all siblings of one fork, and for no other request."""
    width: int
    """How many siblings there are."""
    text: str
    """What all siblings begin with (prompt and trajectory)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a trajectory."""

    text: str
    ids: tuple[int, ...] | None = None
    """The tokens that the model wrote it as; `None` for text of the client, and where they are not known."""


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """One completion: write on from `prompt.text + prefix`."""

    prompt: Prompt
    prefix: str = ""
    """The trajectory so far, which the model continues."""
    spans: tuple[Span, ...] | None = None
    """The same in stretches, where it is to be sent as the tokens that were written; `None`: as text."""
    stop: tuple[str, ...] = ()
    """Where the run wants it to end. What is sent is `stops`: the user's own are in `sampling`."""
    max_tokens: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    grammar: str | None = None
    """A GBNF grammar, for servers that can hold the model to one."""
    json_schema: Mapping[str, object] | None = None
    """A JSON schema, for servers that can hold the model to one; in place of a grammar."""
    task: str = ""
    """What is to be written next, in words, for servers that can only be asked to go on."""
    routing_key: str | None = None
    """The same for all requests of a run, so that a router may keep them on one replica."""
    shared: SharedPrefix | None = None
    prefill_only: bool = False
    """Nothing of it is wanted but that the server computes the text into its cache. It never waits for a
    permit: where none is free at once, it ends with nothing done and without a `sent` chunk."""
    logprobs: int = 0
    """How many of the likeliest tokens a server tells in each place, with their log-probabilities; 0 for
    none. So 1 gives at least the token that was written: see `Chunk.logprobs`. One that refuses the field
    tells nothing, and is not asked again. Many tell 5 or 20 at most; vLLM ends with an error beyond."""
    where: str = ""
    """Which piece of the run this is ("run 1f3a, fork 1, thread 2"), for errors and logs."""

    @property
    def text(self) -> str:
        """The whole input text."""
        return self.prompt.text + self.prefix

    @property
    def stops(self) -> tuple[str, ...]:
        """All stop strings, each once: the run's, then the user's."""
        return tuple(dict.fromkeys((*self.stop, *self.sampling.stop)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Token counts as the server reports them; the last report of a stream is the one that counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    requests: int = 1
    """How many requests the counts are of."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely one token was, as the server tells."""

    token: str
    """Its text; what a token of half a character looks like is the server's choice."""
    logprob: float
    """The natural logarithm of its probability; most servers tell that of the model, before sampling."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens in its place and their log-probabilities, the likeliest first. A token that was
    written and is none of them may stand there as one more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """A request failed and is about to be sent again."""

    attempt: int
    """The number of the attempt to come: 2 for the first retry."""
    delay: float
    """Seconds until it is sent."""
    reason: str
    resumed: bool = False
    """Whether text had arrived: it was kept, and the new request goes on behind it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """One piece of a stream: new text, or how it ended, or both.

    A backend passes text as the server sent it. Whether a stop string is in it, and where the text is cut,
    is the runtime's business. A stream that ends without a finish reason has raised an error.
    """

    text: str = ""
    token_ids: tuple[int, ...] = ()
    prompt_ids: tuple[int, ...] = ()
    """The tokens of the whole input, in one chunk, where the server tells them."""
    finish_reason: str | None = None
    """As the server said: "stop", "length", …; set in one chunk only. [DONE] alone counts as "stop"."""
    matched_stop: str | None = None
    """The stop string that ended the text, where the server says which."""
    usage: Usage | None = None
    retry: Retry | None = None
    """Set in a chunk without text: the attempt before failed."""
    reasoning: str = ""
    """Text of a separate reasoning field, where a chat server sends one."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Those of its tokens, where they were asked for. They may come before the text of their tokens does, and
    for a stop string's tokens, whose text never comes."""
    sent: bool = False
    """Set in a chunk without text: the request leaves at this moment, after any wait for a permit. One such
    chunk stands before each attempt; `ParallelReasoner` sees to it for a backend that knows no permits."""


ServerKind = Literal[
    "unknown",
    "vllm",
    "sglang",
    "llama.cpp",
    "openai",
    "anthropic",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "mistral",
    "openrouter",
    "together",
    "litellm",
]

Api = Literal["completions", "chat"]
"""Which of the two protocols is spoken: `/v1/completions` or `/v1/chat/completions`."""

Prefill = Literal["continue_final_message", "prefix", "last_message", "ask"]
"""How a chat server is made to go on with a text: by two request fields that say so, by a mark on the last
message, by the last message being the assistant's, or not at all: it is asked in a further turn."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one server can do and how it behaves. The servers that are known: `backends/capabilities.py`."""

    server: ServerKind = "unknown"
    api: Api = "completions"
    """The protocol to speak with it."""
    prefill: Prefill = "ask"
    """How it goes on with a text, over chat."""
    reports_matched_stop: bool = False
    """It says which stop string ended a text, so that silence means the end of the sequence."""
    grammar: bool = False
    """It takes a GBNF grammar."""
    json_schema: bool = False
    """It takes a JSON schema by `/v1/completions`; over chat it is sent one until it refuses."""
    token_ids: bool = False
    """It sends token ids when asked."""
    token_prompts: bool = False
    """It takes token ids for a prompt, and makes tokens of a text when asked."""
    context_tokens: int | None = None
    """The longest context, prompt and completion, in tokens; `None` where the server does not say."""
    extra_fields: Mapping[str, object] = field(default_factory=dict)
    """Request fields that only this server knows and that we always want."""
    field_names: Mapping[str, str] = field(default_factory=dict)
    """What it calls a request field for which it has a name of its own."""
    routing_field: str | None = None
    """The request field in which it reads the routing key, beside the headers that are always sent."""
    refused_fields: frozenset[str] = frozenset()
    """Request fields that it answers with an error, so that they are left out."""
    most_stops: int | None = None
    """The most stop strings that it takes; `None` where no limit is known."""
    reliable_finish: bool = True
    """False where a finish reason may be made up on a stream that was cut."""


@runtime_checkable
class Backend(Protocol):
    """Where completions come from. Write one to bring a server of your own."""

    @property
    def model(self) -> str:
        """The model's name, for the result."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream one completion; write it as an async generator. Closing the generator aborts the request.

        Raises:
            BackendError: the completion could not be had, after the backend's own retries.
        """
        ...

    async def aclose(self) -> None:
        """Release what the backend opened itself."""
        ...


@runtime_checkable
class SupportsChatTemplate(Protocol):
    """A backend whose server can apply the model's own chat template."""

    async def chat_template(self) -> Callable[[Messages], str] | None:
        """Return what makes the text of a prompt out of turns, or `None` where this server does not tell."""
        ...


@runtime_checkable
class SupportsTokenize(Protocol):
    """A backend whose server tells which tokens it makes of a text."""

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return them, or `None` where this server does not tell."""
        ...
