"""The contract between the runtime and a server: a request goes in, a stream of chunks comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from weaver_sdk.messages import Message, Messages
from weaver_sdk.options import Sampling


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The user's problem, in the two forms that servers take. It is data: markup in it is never parsed."""

    text: str
    """The text with the chat template applied, ready to be continued: what `/v1/completions` takes."""
    messages: tuple[Message, ...] = ()
    """The turns: what `/v1/chat/completions` takes. Sent unchanged, images included."""


@dataclass(frozen=True, kw_only=True)
class SharedPrefix:
    """The prefix that the sibling requests of one fork share. They are sent at the same time."""

    key: str
    """The same for all siblings of one fork, and for no other request."""
    width: int
    """How many siblings there are."""
    text: str
    """The shared prefix: prompt and trajectory."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a trajectory."""

    text: str
    ids: tuple[int, ...] | None = None
    """The tokens in which the model wrote it; `None` for text that the client added, or if unknown."""


@dataclass(frozen=True)
class StructuralTag:
    """What a text is held to where only tags are fixed, in xgrammar's form; vLLM takes it."""

    format: Mapping[str, object]


Grammar = str | StructuralTag
"""GBNF, or a structural tag."""


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """One completion: continue `prompt.text + prefix`."""

    prompt: Prompt
    prefix: str = ""
    """The trajectory so far, which the model continues."""
    spans: tuple[Span, ...] | None = None
    """The same prefix as spans, to be sent as token ids; `None` to send it as text."""
    stop: tuple[str, ...] = ()
    """The run's own stop strings. The user's are in `sampling`; `stops` has both, and is what is sent."""
    max_tokens: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    grammar: Grammar | None = None
    """A GBNF grammar, or a structural tag, for servers that support constrained decoding."""
    json_schema: Mapping[str, object] | None = None
    """A JSON schema in place of a grammar, for servers that support constrained decoding."""
    task: str = ""
    """What to write next, in words, for chat servers without prefill."""
    routing_key: str | None = None
    """The same for all requests of a run, so that a router can keep them on one replica."""
    shared: SharedPrefix | None = None
    prefill_only: bool = False
    """Only fill the prefix cache; output is discarded. The request never waits for a permit: if none is
    free, it is not sent, and the stream ends without a `sent` chunk."""
    logprobs: int = 0
    """How many top tokens to report at each position, with their log-probabilities; 0 for none. So 1 gives
    at least the token that was written: see `Chunk.logprobs`. If the server refuses the field, nothing is
    reported and the field is not sent again. Many servers allow 5 or 20; vLLM fails if it is more."""
    where: str = ""
    """Which part of the run this is ("run 1f3a, fork 1, thread 2"), for errors and logs."""

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
    """Token counts as reported by the server. The last report of a stream is the valid one."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    """Of `prompt_tokens`, prefix-cache hits; `None` if not reported."""
    requests: int = 1
    """How many requests the counts cover."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log-probability of one token, as reported by the server."""

    token: str
    """Its text. How a token that is half a character looks depends on the server."""
    logprob: float
    """Natural logarithm of its probability; on most servers, before sampling parameters are applied."""
    top: tuple[tuple[str, float], ...] = ()
    """The top tokens at this position with their log-probabilities, most likely first. The token that was
    written may be listed as one more if it is not among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """A request failed and is about to be retried."""

    attempt: int
    """The number of the next attempt: 2 for the first retry."""
    delay: float
    """Seconds until the next attempt."""
    reason: str
    resumed: bool = False
    """Whether text had arrived. It is kept, and the next request continues after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """One chunk of a stream: new text, the finish reason, or both.

    A backend passes text as the server sent it. The runtime looks for stop strings in it and cuts it there.
    A stream that ends without a finish reason raises an error.
    """

    text: str = ""
    token_ids: tuple[int, ...] = ()
    prompt_ids: tuple[int, ...] = ()
    """The tokens of the whole input, in one chunk, if the server reports them."""
    finish_reason: str | None = None
    """As reported by the server: "stop", "length", …; set in one chunk. A lone [DONE] counts as "stop"."""
    matched_stop: str | None = None
    """The stop string that ended the text, if the server reports it."""
    usage: Usage | None = None
    retry: Retry | None = None
    """Set in a chunk without text: the previous attempt failed."""
    reasoning: str = ""
    """Text of a separate reasoning field, if a chat server sends one."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Log-probabilities of its tokens, if requested. They may arrive before the text of their tokens, and
    also cover the tokens of a stop string, whose text never arrives."""
    sent: bool = False
    """Set in a chunk without text: the request is sent now, after any wait for a permit. Each attempt begins
    with one; `ParallelReasoner` adds it for backends that have no limiter."""


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
"""The endpoint in use: `/v1/completions` or `/v1/chat/completions`."""

Prefill = Literal["continue_final_message", "prefix", "last_message", "ask"]
"""How a chat server continues a text: by two request fields, by a flag on the last message, by the last
message being the assistant's, or without prefill: a further user turn asks it to continue ("ask")."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one server supports and how it behaves. Known servers: `backends/capabilities.py`."""

    server: ServerKind = "unknown"
    api: Api = "completions"
    """The endpoint to use."""
    prefill: Prefill = "ask"
    """How it continues a text, over chat."""
    reports_matched_stop: bool = False
    """It reports which stop string ended a text, so that none reported means the end of the sequence."""
    grammar: bool = False
    """It accepts a GBNF grammar."""
    structural_tags: bool = False
    """It accepts structural tags in place of a grammar, and is faster with them."""
    json_schema: bool = False
    """It accepts a JSON schema on `/v1/completions`; over chat the schema is sent until it is refused."""
    token_ids: bool = False
    """It returns token ids on request."""
    token_prompts: bool = False
    """It accepts token ids as a prompt, and tokenizes a text on request."""
    context_tokens: int | None = None
    """The longest context, prompt and completion, in tokens; `None` if not reported."""
    extra_fields: Mapping[str, object] = field(default_factory=dict)
    """Request fields that are specific to this server and always sent."""
    field_names: Mapping[str, str] = field(default_factory=dict)
    """Standard request field -> the server's own name for it, where they differ."""
    routing_field: str | None = None
    """The request field that carries the routing key, in addition to the headers that are always sent."""
    refused_fields: frozenset[str] = frozenset()
    """Request fields that it rejects with an error; they are not sent."""
    most_stops: int | None = None
    """The maximum number of stop strings; `None` if no limit is known."""
    reliable_finish: bool = True
    """Whether the finish reason can be trusted. False behind a proxy that may report one that the server
    never sent, so that a truncated stream looks complete."""

    @property
    def continues(self) -> bool:
        """Whether a request can go on with a text; else the model can only be asked to."""
        return self.api == "completions" or self.prefill != "ask"


@runtime_checkable
class Backend(Protocol):
    """Where completions come from. Write one to bring a server of your own."""

    @property
    def model(self) -> str:
        """The model's name, for the result."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the server supports."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream one completion; write it as an async generator. Closing the generator aborts the request.

        Raises:
            BackendError: the completion failed, after the backend's own retries.
        """
        ...

    async def aclose(self) -> None:
        """Release what the backend opened itself."""
        ...


@runtime_checkable
class SupportsChatTemplate(Protocol):
    """A backend whose server can apply the model's own chat template."""

    async def chat_template(self) -> Callable[[Messages], str] | None:
        """Return a function from messages to the prompt's text, or `None` if the server does not offer it."""
        ...


@runtime_checkable
class SupportsTokenize(Protocol):
    """A backend whose server can tokenize a text."""

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return the tokens of a text, or `None` if the server does not offer it."""
        ...
