"""Completions from llama.cpp's native endpoint, with one prefix shared by all threads of a fork.

llama.cpp has one cache per slot and shares nothing between slots: one thread of a fork would continue in the
slot of the main line, and the others would compute the whole prefix again. So that slot is saved, and
restored into the slots of the other threads, before they start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, SharedPrefix, Usage
from weaver_sdk.backends.chat_template import ChatTemplate, ask_chat_template
from weaver_sdk.backends.chunks import stream_chunks
from weaver_sdk.backends.http.direct import DirectTransport
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.limiter import ConcurrencyLimiter
from weaver_sdk.backends.logprobs import read_entries
from weaver_sdk.backends.prefixes import common_prefix
from weaver_sdk.backends.retry import stream_with_retries
from weaver_sdk.backends.tokens import TokenCache, ask_tokens
from weaver_sdk.engines.llama.slots import Slot, SlotPool
from weaver_sdk.errors import BackendError, ConfigurationError, ProtocolError
from weaver_sdk.options import Limits, RetryPolicy

WORTH_SHARING = 128
"""Characters: a shorter prefix is not shared. A save takes 4 ms and a restore 2 ms (SmolLM2-135M on one
core), the time of a single token. Sharing was faster from 23 tokens on, the least that was measured."""

_FINISH = {"eos": "stop", "word": "stop", "limit": "length"}


class LlamaBackend:
    """Streams completions from a llama.cpp server that has no other clients.

    Requests beyond the number of slots wait here, in FIFO order.

    Args:
        url: the server's address, without `/v1`.
        model: the model's name, for the result.
        slots: the number of the server's slots.
        share_prefixes: whether the threads of a fork share their prefix; the server needs
            `--slot-save-path` and `--no-cache-idle-slots` for it.
        retries: further attempts after a failed one, or a whole `RetryPolicy`.
        timeouts: limits on waiting, in seconds.
        max_concurrency: concurrent completions, or whole `Limits`; never more than there are slots.

    Raises:
        ConfigurationError: the arguments cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        slots: int,
        share_prefixes: bool = True,
        retries: int | RetryPolicy = 2,
        timeouts: Timeouts | None = None,
        max_concurrency: int | Limits = 64,
    ) -> None:
        if slots < 1:
            raise ConfigurationError(f"LlamaBackend(slots={slots}): use 1 or more")
        self._model = model
        limits = Limits.of(max_concurrency)
        self._policy = RetryPolicy.of(retries)
        self._timeouts = timeouts or Timeouts()
        self._transport = DirectTransport(url, max_idle=2 * slots, connect=self._timeouts.connect)
        self._limiter = ConcurrencyLimiter(
            min(limits.max_concurrency, slots), learn=limits.learn, where=self._transport.base_url
        )
        self._slots = SlotPool(slots)
        self._forks = _Forks(limit=4 * slots) if share_prefixes else None
        self._token_cache = TokenCache(self.tokens)

    def __repr__(self) -> str:
        return f"LlamaBackend({self._transport.base_url!r}, model={self._model!r})"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        """What llama.cpp supports on its native endpoint."""
        return Capabilities(
            server="llama.cpp",
            reports_matched_stop=True,
            grammar=True,
            json_schema=True,
            token_ids=True,
            token_prompts=True,
        )

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter that gives permits to requests: never more than there are slots."""
        return self._limiter

    async def chat_template(self) -> ChatTemplate | None:
        """Return the model's own chat template, or `None` if it has none.

        Raises:
            ConnectionFailed: no server at the address.
        """
        return await ask_chat_template(self._transport, self._model, "llama.cpp")

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Stream one completion. Closing the generator closes the connection, and so aborts the request.

        Raises:
            BackendError: the completion failed, after all retries.
        """
        return stream_with_retries(self._attempt, request, self._policy, self._limiter)

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Tokenize a text on the server.

        Raises:
            ConnectionFailed: no server at the address.
        """
        return await ask_tokens(self._transport, self._model, "llama.cpp", text)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _attempt(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        prompt = request.text if request.spans is None else await self._token_cache.of(request)
        with self._slots.lend(request.text) as slot:
            if request.shared is not None:
                await self._share(slot, request.shared)
            # until the first token the prefill may be incomplete; only the cached prefix is certain
            slot.holds = request.text[: common_prefix(slot.holds, request.text)]
            held = [request.text]
            body = request.sampling.as_fields() | {
                "prompt": prompt,
                "n_predict": _limit(request),
                "stop": list(request.stops),
                **({} if request.grammar is None else {"grammar": request.grammar}),
                **({} if request.json_schema is None else {"json_schema": request.json_schema}),
                **({"n_probs": request.logprobs} if request.logprobs > 0 else {}),
            }
            async with aclosing(self._complete(slot, body)) as chunks:
                async for chunk in chunks:
                    held.append(chunk.text + (chunk.matched_stop or ""))
                    slot.holds = "".join(held) if chunk.finish_reason else request.text
                    yield chunk

    async def _share(self, slot: Slot, shared: SharedPrefix) -> None:
        """Load the shared prefix of a fork into a slot; it is computed once for all siblings."""
        if self._forks is None or len(shared.text) < WORTH_SHARING:
            return
        first, fork = self._forks.join(shared)
        try:
            if first:
                if slot.misses(shared.text) >= WORTH_SHARING:
                    await self._compute(slot, shared.text)
                await self._slot_action(slot, "save", fork.file)
                fork.saved.set_result(True)
            elif slot.misses(shared.text) >= WORTH_SHARING and await asyncio.shield(fork.saved):
                await self._slot_action(slot, "restore", fork.file)
                slot.holds = shared.text
        except BackendError:
            pass  # the completion computes the prefix itself, and reports any error of the server
        finally:
            if first and not fork.saved.done():
                fork.saved.set_result(False)
            self._forks.leave(shared)

    async def _compute(self, slot: Slot, text: str) -> None:
        async with aclosing(self._complete(slot, {"prompt": text, "n_predict": 0})) as chunks:
            async for _ in chunks:
                pass
        slot.holds = text

    def _complete(self, slot: Slot, body: Mapping[str, Any]) -> AsyncGenerator[Chunk, None]:
        fixed = {"id_slot": slot.number, "cache_prompt": True, "return_tokens": True, "stream": True}
        return stream_chunks(
            self._transport, "/completion", {**body, **fixed}, timeouts=self._timeouts, read_chunk=read_chunk
        )

    async def _slot_action(self, slot: Slot, action: str, file: str) -> None:
        address = f"{self._transport.base_url}/slots/{slot.number}?action={action}"
        response = await Response.open(self._transport, address, {"filename": file}, timeouts=self._timeouts)
        async with aclosing(response):
            while await response.read(self._timeouts.first):
                pass


def _limit(request: CompletionRequest) -> int:
    if request.prefill_only:
        return 0
    return -1 if request.max_tokens is None else request.max_tokens


def read_chunk(data: Mapping[str, Any]) -> Chunk:
    """Parse one object of the stream.

    Raises:
        ProtocolError: it is not a chunk.
    """
    try:
        text, ids = data["content"], tuple(data.get("tokens") or ())
        raw_logprobs = data.get("completion_probabilities")
        logprobs = read_entries(raw_logprobs) if raw_logprobs else ()
        if not data["stop"]:
            return Chunk(text=text, token_ids=ids, logprobs=logprobs)
        timings = data["timings"]
        return Chunk(
            text=text,
            token_ids=ids,
            logprobs=logprobs,
            finish_reason=_FINISH.get(data["stop_type"], "abort"),
            matched_stop=data.get("stopping_word") or None,
            usage=Usage(
                prompt_tokens=timings["cache_n"] + timings["prompt_n"],
                completion_tokens=timings["predicted_n"],
                cached_prompt_tokens=timings["cache_n"],
            ),
        )
    except (AttributeError, LookupError, TypeError) as error:
        raise ProtocolError(f"a chunk of the stream has an unknown format: {str(data)[:200]}") from error


@dataclass
class _Fork:
    file: str
    """The file on the server that holds the shared prefix."""
    saved: asyncio.Future[bool]
    left: int
    """Siblings that have not started yet."""


class _Forks:
    """The forks whose siblings have not all started. Files are reused, to keep few on the disk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[str, _Fork] = {}

    def join(self, shared: SharedPrefix) -> tuple[bool, _Fork]:
        """Return whether this sibling is the first of its fork, and the fork."""
        fork = self._open.get(shared.key)
        if fork is not None:
            return False, fork
        if len(self._open) >= self._limit:  # its missing siblings were cancelled before they started
            self._open.pop(next(iter(self._open)))
        taken = {fork.file for fork in self._open.values()}
        file = next(name for n in range(self._limit) if (name := f"fork-{n}.bin") not in taken)
        fork = _Fork(file, asyncio.get_running_loop().create_future(), shared.width)
        self._open[shared.key] = fork
        return True, fork

    def leave(self, shared: SharedPrefix) -> None:
        """Note that a sibling has its prefix; the file can be reused once all have."""
        fork = self._open.get(shared.key)
        if fork is not None:
            fork.left -= 1
            if fork.left <= 0:
                del self._open[shared.key]
