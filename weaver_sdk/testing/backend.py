"""A backend with scripted answers: no server, no network, no waiting."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, Usage
from weaver_sdk.backends.prefixes import common_prefix
from weaver_sdk.markup.dialect import DIALECTS
from weaver_sdk.messages import question_of
from weaver_sdk.testing.generation import Stops, generate
from weaver_sdk.testing.script import SCRIPTED_MODEL, Script, pieces

When = str | re.Pattern[str] | Callable[[CompletionRequest], bool]
"""Which requests a reply is for: the question they ask or the end of their prompt, as text; a pattern to
search for in the prompt; or a predicate."""

_INSTRUCTIONS = {dialect.instruction.strip() for dialect in DIALECTS.values()}
"""What may follow the question in the user's turn."""


@dataclass(frozen=True)
class Reply:
    """One scripted completion. The request's stop strings and `max_tokens` apply, as on a server."""

    text: str = ""
    """What the model writes, up to the request's stop strings and limit."""
    when: When = ""
    """Which requests it is for; the empty string matches any."""
    _: KW_ONLY
    finish_reason: str | None = None
    """The finish reason; if not given, what the request's stop strings and limit lead to."""
    stops: Stops = "trim"
    error: Exception | None = None
    """Raised after the text, instead of a finish reason."""
    hangs: bool = False
    """Sends nothing after the text, until the caller gives up."""
    usage: bool = True
    """Whether the last chunk carries token counts."""
    times: int | None = 1
    """How often it must be used; `None` means any number of times, including never."""

    def fits(self, request: CompletionRequest) -> bool:
        """Whether this reply is for the request."""
        if isinstance(self.when, str):
            return _asks(request, self.when) or request.text.endswith(self.when)
        if isinstance(self.when, re.Pattern):
            return self.when.search(request.text) is not None
        return self.when(request)


Answers = (
    Sequence[Reply | str]
    | Mapping[str, Reply | str]
    | Callable[[CompletionRequest], Reply | str | None]
    | Script
)
"""A list of replies, first match first; a table by question or end of the prompt; a function; or a script."""


class ScriptedBackend:
    """Answers completions from a table, a function or a `Script`, and records the requests.

    ```python
    backend = ScriptedBackend({"What is 2+2?": r"\\boxed{4}"})
    ...
    backend.assert_complete()
    ```

    In a table, each reply is used once unless its `times` says otherwise. A text key matches the user's
    question in the request that opens a run, with or without a dialect's instruction after it, or the end of
    a request's prompt, such as `"<Thread>\\n2:"`. If several replies match, the one with the longest key is
    used, then the earliest. A request that matches no reply raises `AssertionError`, at once and again in
    `assert_complete`.

    Args:
        answers: the replies.
        model: the model's name; with "threadweaver" in it, `strategy="auto"` takes it as trained to fork.
        pace: seconds per token; takes no real time if you pass your own `sleep`.
        characters: characters per chunk; one token per chunk if not given.
        sleep: called to wait.
        prefix_cache: whether to report cached prompt tokens, like a server that caches all it computes.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        model: str = SCRIPTED_MODEL,
        capabilities: Capabilities | None = None,
        pace: float = 0.0,
        characters: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        prefix_cache: bool = False,
    ) -> None:
        self._computed: list[str] | None = [] if prefix_cache else None
        self._answers = answers
        self._left: list[Reply] = _as_table(answers) if isinstance(answers, Sequence | Mapping) else []
        self._model = model
        self._capabilities = capabilities or Capabilities(reports_matched_stop=True)
        self._pace = pace
        self._characters = characters
        self._sleep = sleep
        self._unexpected: list[CompletionRequest] = []
        self.requests: list[CompletionRequest] = []
        """All requests, in order of arrival."""
        self.running = 0
        """Completions in progress."""
        self.most_running = 0
        """The most completions in progress at once."""
        self.finished = 0
        """Completions that ran to the end."""
        self.aborted = 0
        """Completions that the caller closed or cancelled before the end."""
        self.closed = False

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        """What this backend says it can do."""
        return self._capabilities

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream the scripted reply for the request.

        Raises:
            AssertionError: no reply matches it.
        """
        self.requests.append(request)
        reply = self._reply(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            async for chunk in self._write(reply, request):
                yield chunk
            self.finished += 1
        except (GeneratorExit, asyncio.CancelledError):
            self.aborted += 1
            raise
        finally:
            self.running -= 1

    async def _write(self, reply: Reply, request: CompletionRequest) -> AsyncIterator[Chunk]:
        generation = generate(reply.text, request.stops, request.max_tokens, reply.stops)
        prompt_tokens, cached = len(pieces(request.text)), self._cached(request.text)
        if self._characters is None:
            texts = list(generation.steps)
        else:
            width = self._characters
            texts = [generation.text[i : i + width] for i in range(0, len(generation.text), width)]
        for text in texts:
            await self._sleep(self._pace)  # even if the pace is 0: other tasks run between chunks
            if text:
                yield Chunk(text=text)
        if reply.hangs:
            await asyncio.Event().wait()
        if reply.error is not None:
            raise reply.error
        if self._computed is not None:
            self._computed.append(request.text + generation.text + (generation.matched_stop or ""))
        usage = Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=len(generation.steps),
            cached_prompt_tokens=cached,
        )
        yield Chunk(
            finish_reason=reply.finish_reason or generation.finish_reason,
            matched_stop=generation.matched_stop if self._capabilities.reports_matched_stop else None,
            usage=usage if reply.usage else None,
        )

    def _cached(self, text: str) -> int | None:
        """Return how many tokens of a prompt are cached; as on servers, never its last one."""
        if self._computed is None:
            return None
        known = max((common_prefix(text, other) for other in self._computed), default=0)
        return min(len(pieces(text[:known])), len(pieces(text)) - 1)

    def _reply(self, request: CompletionRequest) -> Reply:
        found: Reply | str | None
        if isinstance(self._answers, Script):
            found = self._answers(request.text)
        elif callable(self._answers):
            found = self._answers(request)
        else:
            found = self._take(request)
        if found is None:
            self._unexpected.append(request)
            raise AssertionError(f"no scripted reply matches the request that ends in {_ending(request)}")
        return Reply(found) if isinstance(found, str) else found

    def _take(self, request: CompletionRequest) -> Reply | None:
        fitting = [i for i, reply in enumerate(self._left) if reply.fits(request)]
        if not fitting:
            return None
        at = max(fitting, key=lambda i: _length(self._left[i]))  # the first among equals
        reply = self._left[at]
        if reply.times == 1:
            del self._left[at]
        elif reply.times is not None:
            self._left[at] = replace(reply, times=reply.times - 1)
        return reply

    def assert_complete(self) -> None:
        """Check that every scripted reply was used and that every request matched one.

        Raises:
            AssertionError: names the unmatched requests, or the unused replies.
        """
        unused = [repr(reply.when) for reply in self._left if reply.times is not None]
        if self._unexpected:
            raise AssertionError("requested but not scripted: " + "; ".join(map(_ending, self._unexpected)))
        if unused:
            raise AssertionError("scripted but never requested: " + "; ".join(unused))

    async def aclose(self) -> None:
        """Note that the backend was closed."""
        self.closed = True


def _as_table(answers: Sequence[Reply | str] | Mapping[str, Reply | str]) -> list[Reply]:
    if isinstance(answers, Mapping):
        replies = {when: Reply(given) if isinstance(given, str) else given for when, given in answers.items()}
        return [replace(reply, when=when) for when, reply in replies.items()]
    return [Reply(given) if isinstance(given, str) else given for given in answers]


def _asks(request: CompletionRequest, question: str) -> bool:
    """Whether a request asks this question; one that continues a text does not."""
    if request.prefix or not question.strip():
        return False
    asked, question = question_of(request.prompt.messages).strip(), question.strip()
    return asked.startswith(question) and asked[len(question) :].strip() in {"", *_INSTRUCTIONS}


def _length(reply: Reply) -> int:
    return len(reply.when) if isinstance(reply.when, str) else 0


def _ending(request: CompletionRequest) -> str:
    where = f" ({request.where})" if request.where else ""
    return repr(request.text[-60:]) + where
