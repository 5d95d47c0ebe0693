"""The planned way: any model that answers questions, made to play a model that forks and joins.

A run asks for text behind a trajectory. Here each of these requests becomes a question of its own: for a plan
(as JSON), for one part, for the join. The replies come back as the trajectory that a trained model would have
written, so budgets, events, repairs and cancellation are those of any run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from weaver_sdk.backends.base import (
    Backend,
    Capabilities,
    Chunk,
    CompletionRequest,
    Prompt,
    SharedPrefix,
    Usage,
)
from weaver_sdk.markup import Block, Dialect, Messages, Outline, Scanner, Text, Trajectory, close_block, parse
from weaver_sdk.markup.planned import PlannedStrategy, join_turns, read_plan
from weaver_sdk.markup.worked import open_block


@dataclass
class _Reply:
    """What came of one question."""

    written: list[str] = field(default_factory=list)
    finish: str = "stop"
    usage: Usage | None = None

    @property
    def text(self) -> str:
        return "".join(self.written)


class PlannedBackend:
    """Answers the requests of a run by asking another backend for a plan, for each part, and for the join.

    A run without forks is passed on as the bare question. What the model writes is text: tags of the dialect
    in it are left out.

    Args:
        backend: where the questions go. It is not closed here.
        strategy: how they are put.
        render: from the turns of a chat to the text that the model writes on.
    """

    def __init__(
        self, backend: Backend, strategy: PlannedStrategy, render: Callable[[Messages], str]
    ) -> None:
        self._backend = backend
        self._strategy = strategy
        self._render = render

    @property
    def model(self) -> str:
        """The model's name."""
        return self._backend.model

    @property
    def capabilities(self) -> Capabilities:
        """Those of the other backend; here it is always known what ended a text."""
        return replace(self._backend.capabilities, reports_matched_stop=True)

    async def aclose(self) -> None:
        """Do nothing: the other backend belongs to the caller."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream what a fork/join model would write behind the request's prefix.

        Raises:
            BackendError: as the other backend raises it.
        """
        dialect = self._strategy.dialect
        if dialect.thread[1] in request.stop:
            chunks = self._part(request)
        elif request.prefix or dialect.outlines[1] not in request.stop:
            chunks = self._answer(request)
        else:
            chunks = self._plan(request)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def _plan(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Ask for a plan and write its outlines, or answer at once where the model sees no parts."""
        strategy, dialect = self._strategy, self._strategy.dialect
        asked = replace(
            self._question(request, strategy.plan_turns(request.prompt.messages)),
            json_schema=strategy.schema(),
            max_tokens=min(strategy.plan_tokens, request.max_tokens or strategy.plan_tokens),
        )
        reply = _Reply()
        async with aclosing(self._ask(asked, reply)) as chunks:
            async for chunk in chunks:
                yield replace(chunk, text="")  # its tokens and retries are told, its JSON is no trajectory
        plan = read_plan(reply.text)
        yield Chunk(text=f"{dialect.think[0]}\n" if dialect.reasons_in_think else "")
        if plan is None:  # the run may still find numbered lines in it
            yield Chunk(text=f"{open_block(dialect, ())}{reply.text.strip()}\n")
        else:
            yield Chunk(text=f"{plan.thought}\n" if plan.thought else "")
            if len(plan.parts) < 2:
                async with aclosing(self._undivided(request, reply.usage)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            outlines = [Outline(str(number), part) for number, part in enumerate(plan.parts, 1)]
            yield Chunk(text=open_block(dialect, outlines))
        yield Chunk(finish_reason="stop", matched_stop=dialect.outlines[1], usage=reply.usage)

    async def _undivided(
        self, request: CompletionRequest, planning: Usage | None
    ) -> AsyncGenerator[Chunk, None]:
        """Ask the bare question with what the plan has left of the limit."""
        dialect = self._strategy.dialect
        yield Chunk(text=f"{dialect.think[1]}\n" if dialect.reasons_in_think else "")
        left = request.max_tokens
        if left is not None and planning is not None:
            left -= planning.completion_tokens or 0
        if left is not None and left <= 0:
            yield Chunk(finish_reason="length", usage=planning)
            return
        question = self._question(request, join_turns(request.prompt.messages, ()))
        reply = _Reply()
        async with aclosing(self._ask(replace(question, max_tokens=left), reply)) as chunks:
            async for chunk in chunks:
                yield replace(chunk, queued=False)  # the piece began with the plan
        yield Chunk(finish_reason=reply.finish, usage=_added(planning, reply.usage))

    async def _part(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Ask for the part that the open thread at the end of the prefix is for."""
        dialect = self._strategy.dialect
        block = parse(request.prefix, dialect).blocks[-1]
        label = block.threads[-1].label
        texts = {outline.label: outline.text for outline in block.outlines}
        messages = request.prompt.messages
        reply = _Reply()
        asked = self._question(request, self._strategy.part_turns(messages, texts.get(label, "")))
        asked = replace(asked, shared=self._shared(request, [*texts.values()]))
        async with aclosing(self._ask(asked, reply)) as chunks:
            async for chunk in chunks:
                begins = chunk.text and reply.text == chunk.text
                yield replace(chunk, text=f" {chunk.text}") if begins else chunk
        if reply.finish != "stop" or not reply.text:
            yield Chunk(finish_reason=reply.finish, usage=reply.usage)
            return
        if not reply.text.endswith(dialect.thread_end):
            yield Chunk(text=dialect.thread_end)
        yield Chunk(finish_reason="stop", matched_stop=dialect.thread[1], usage=reply.usage)

    async def _answer(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Close what is open in the prefix and ask for the answer, out of the parts where there are any."""
        dialect, prefix = self._strategy.dialect, request.prefix
        trajectory = parse(prefix, dialect)
        if prefix and trajectory.answer_start is None:
            yield Chunk(text=_closing(prefix, trajectory, dialect))
        results = [
            (Outline(thread.label, _outline_text(block, thread.label)), thread.text)
            for block in trajectory.blocks
            for thread in block.threads
        ]
        reply = _Reply()
        asked = self._question(request, join_turns(request.prompt.messages, results))
        async with aclosing(self._ask(asked, reply)) as chunks:
            async for chunk in chunks:
                yield chunk
        yield Chunk(finish_reason=reply.finish, usage=reply.usage)

    async def _ask(self, request: CompletionRequest, reply: _Reply) -> AsyncGenerator[Chunk, None]:
        """Stream a reply without tags; how it ended, and its counts, are kept in `reply`."""
        scanner = Scanner(self._strategy.dialect)
        stream = self._backend.stream(request)
        try:
            async for chunk in stream:
                reply.finish = chunk.finish_reason or reply.finish
                reply.usage = chunk.usage or reply.usage
                text = "".join(token.text for token in scanner.feed(chunk.text) if isinstance(token, Text))
                if not reply.written:
                    text = text.lstrip()
                if text:
                    reply.written.append(text)
                yield replace(chunk, text=text, finish_reason=None, matched_stop=None, usage=None)
        finally:
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()
        if rest := "".join(token.text for token in scanner.close() if isinstance(token, Text)):
            reply.written.append(rest)
            yield Chunk(text=rest)

    def _question(self, request: CompletionRequest, turns: Messages) -> CompletionRequest:
        return replace(
            request,
            prompt=Prompt(text=self._render(turns), messages=tuple(turns)),
            prefix="",
            stop=(),
            grammar=None,
            shared=None,
            task="",
        )

    def _shared(self, request: CompletionRequest, parts: list[str]) -> SharedPrefix | None:
        """Return what the questions for the parts begin with."""
        if request.shared is None:
            return None
        asked = [self._render(self._strategy.part_turns(request.prompt.messages, part)) for part in parts]
        return replace(request.shared, text=_common_beginning(asked))


def _common_beginning(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    differ = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, len(first))]


def _outline_text(block: Block, label: str) -> str:
    return next((outline.text for outline in block.outlines if outline.label == label), "")


def _closing(prefix: str, trajectory: Trajectory, dialect: Dialect) -> str:
    """Return what ends the last block and the reasoning."""
    closing = "" if prefix.endswith("\n") else "\n"
    if trajectory.blocks and not trajectory.blocks[-1].closing:
        closing += close_block(dialect)
    return closing + (f"{dialect.think[1]}\n" if dialect.reasons_in_think else "")


def _added(first: Usage | None, second: Usage | None) -> Usage | None:
    """Return the counts of two requests together; `None` where one of them is not known."""
    if first is None or second is None:
        return None
    return Usage(
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        cached_prompt_tokens=_sum(first.cached_prompt_tokens, second.cached_prompt_tokens),
        requests=first.requests + second.requests,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
