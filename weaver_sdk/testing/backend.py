"""A backend whose answers are written down beforehand: no server, no network, no waiting."""

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
"""Which requests a reply is for: the question they ask, or the end of their input; a pattern found in it; a
test of your own."""

_INSTRUCTIONS = {dialect.instruction.strip() for dialect in DIALECTS.values()}
"""What may follow a question in the turn that asks it."""


@dataclass(frozen=True)
class Reply:
    """One scripted completion. Stop strings and `max_tokens` of the request are kept, as a server would."""

    text: str = ""
    """What the model goes on to write, as far as the request lets it."""
    when: When = ""
    """Which requests it is for; the empty string fits every one."""
    _: KW_ONLY
    finish_reason: str | None = None
    """How it ends; by the stops and the limit of the request where not given."""
    stops: Stops = "trim"
    error: Exception | None = None
    """Raised behind the text, in place of an end."""
    hangs: bool = False
    """Nothing comes behind the text, and no end, until the caller gives up."""
    usage: bool = True
    """Whether token counts come with the last chunk."""
    times: int | None = 1
    """How often it is used; `None` is any number of times, also never."""

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
"""Replies in order of preference; by question, or the end of the input; a function; or a whole script."""


class ScriptedBackend:
    """Answers completions from a table, a function or a `Script`, and remembers what it was asked.

    ```python
    backend = ScriptedBackend({"What is 2+2?": r"\\boxed{4}"})
    ...
    backend.assert_complete()
    ```

    A table says which reply is for which request; each is used once unless it says otherwise. A text in it is
    the user's question, as the request that opens a run asks it, whether or not a dialect's instruction
    follows it; or the end of a request's input, such as `"<Thread>\\n2:"`. Where several fit, the longest
    text goes first, and otherwise the earliest. A request that no reply fits raises `AssertionError`, at once
    and again in `assert_complete`.

    Args:
        answers: what it answers.
        model: the model's; "threadweaver" in it tells `strategy="auto"` that it was trained to fork.
        pace: seconds from one token to the next; needs no real time with a `sleep` of your own.
        characters: characters in one chunk; a token a chunk where not given.
        sleep: what to wait with.
        prefix_cache: whether it tells cached prompt tokens, like a server that keeps all it has computed.
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
        """Every request, in order of arrival."""
        self.running = 0
        """Completions under way."""
        self.most_running = 0
        """The most that were under way at once."""
        self.finished = 0
        """Completions that ran to their end."""
        self.aborted = 0
        """Completions that the caller closed or cancelled before their end."""
        self.closed = False

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        """What the scripted server can do."""
        return self._capabilities

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Stream the reply that was written down for the request.

        Raises:
            AssertionError: there is none.
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
            await self._sleep(self._pace)  # also where the pace is 0: a stream lets others run between chunks
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
        """Return how many tokens of a prompt have been computed; the last one never counts, as on servers."""
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
            raise AssertionError(f"no scripted reply fits the request that ends in {_ending(request)}")
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
        """Check that every scripted reply was used and that nothing else was asked.

        Raises:
            AssertionError: says which.
        """
        unused = [repr(reply.when) for reply in self._left if reply.times is not None]
        if self._unexpected:
            raise AssertionError("asked for, but not scripted: " + "; ".join(map(_ending, self._unexpected)))
        if unused:
            raise AssertionError("scripted, but never asked for: " + "; ".join(unused))

    async def aclose(self) -> None:
        """Note that the backend was closed."""
        self.closed = True


def _as_table(answers: Sequence[Reply | str] | Mapping[str, Reply | str]) -> list[Reply]:
    if isinstance(answers, Mapping):
        replies = {when: Reply(told) if isinstance(told, str) else told for when, told in answers.items()}
        return [replace(reply, when=when) for when, reply in replies.items()]
    return [Reply(told) if isinstance(told, str) else told for told in answers]


def _asks(request: CompletionRequest, question: str) -> bool:
    """Whether a request asks a question; one that goes on with a text asks for something else."""
    if request.prefix or not question.strip():
        return False
    asked, question = question_of(request.prompt.messages).strip(), question.strip()
    return asked.startswith(question) and asked[len(question) :].strip() in {"", *_INSTRUCTIONS}


def _length(reply: Reply) -> int:
    return len(reply.when) if isinstance(reply.when, str) else 0


def _ending(request: CompletionRequest) -> str:
    where = f" ({request.where})" if request.where else ""
    return repr(request.text[-60:]) + where
