"""Test what a server really does, with a few short completions.

The prompts are counts, which every model continues in the same way. A diagnosis takes some 600 tokens.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import get_args

from weaver_sdk.backends.base import Api, CompletionRequest, Prefill, Prompt, Span, Usage
from weaver_sdk.backends.capabilities import known_host
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.drift import drift_tokens
from weaver_sdk.backends.http.choose import transport_to
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import fetch_json, probe, server_root
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.backends.side_by_side import SideBySide, measure
from weaver_sdk.doctor.cache_counters import ask_cache_counters
from weaver_sdk.doctor.report import Crowd, Drift, Endpoint, Repeated, ServerReport
from weaver_sdk.errors import APIStatusError, BackendError, ConfigurationError
from weaver_sdk.options import Sampling

COUNTED = "41 42 43 44 45 46 47 48"
"""A count that no model would start like this by itself."""
_NEXT = re.compile(r"\s+49\b")
"""What continues it. The space distinguishes a continuation from a new answer."""
_QUESTION = "Count upwards, with a space between the numbers. Write nothing else."
_GREEDY = Sampling(temperature=0.0)
_PROSE = "Old maps of the coast, and what they got wrong: "
_WORDS = 40
"""The length of the prompt that is sent twice."""
_FULL = (429, 503)


@dataclass(frozen=True)
class _Sample:
    text: str = ""
    reasoning: str = ""
    matched: str | None = None
    token_ids: tuple[int, ...] = ()
    usage: Usage | None = None
    first: float = 0.0
    seconds: float = 0.0


async def diagnose(
    base_url: str,
    api_key: str | None = None,
    model: str | None = None,
    *,
    api: str = "auto",
    most: int = 8,
    tag: str = "",
) -> ServerReport:
    """Test what a server supports.

    Args:
        model: if not given, the one model that the server serves.
        api: the endpoint to use, or "auto".
        most: the maximum of concurrent requests to try.
        tag: a tag of the markup that the model will write.

    Raises:
        ConfigurationError: there is no such endpoint, or no model was given and the server does not report
            exactly one.
        ConnectionFailed: no server at the address.
        APIStatusError: the server refuses the key.
    """
    if api not in ("auto", *get_args(Api)):
        raise ConfigurationError(f'api={api!r}: use "auto", "completions" or "chat"')
    known = known_host(base_url)
    transport = transport_to(base_url, api_key)
    opened: list[ServerBackend] = []
    try:
        if known is None or model is None:
            facts = await probe(transport)
            known = known or facts.capabilities
            model = model or _only_model(facts.models, transport)

        def to(kind: type[ServerBackend], **changes: object) -> ServerBackend:
            capabilities = replace(known, **changes)  # type: ignore[arg-type]
            timeouts = Timeouts(first=120.0)
            opened.append(
                kind(model, base_url, api_key, capabilities=capabilities, retries=0, timeouts=timeouts)
            )
            return opened[-1]

        completions = await _diagnose_endpoint(to(CompletionsBackend, token_ids=True))
        chat = await _diagnose_endpoint(to(ChatBackend, token_ids=True))
        kinds: Sequence[Prefill] = ("last_message", "prefix", "continue_final_message")
        if known.server != "unknown":
            kinds = () if known.prefill == "ask" else (known.prefill,)
        candidates = [to(ChatBackend, prefill=kind_of_prefill) for kind_of_prefill in kinds if chat.works]
        used_api = _choose_api(api, known.api, completions, chat)
        used = to(ChatBackend if used_api == "chat" else CompletionsBackend)
        special = completions.works and tag
        return ServerReport(
            base_url=transport.base_url,
            server=known.server,
            model=model,
            context_tokens=known.context_tokens,
            api=used_api,
            completions=completions,
            chat=chat,
            prefill=known.prefill,
            prefill_found=await _working_prefill(candidates),
            special_tags=await _shows_tag(transport, to(CompletionsBackend), tag) if special else None,
            drift=await _measure_drift(to(CompletionsBackend)) if completions.token_ids else None,
            repeated=await _repeat_prompt(used, transport) if used_api else None,
            crowd=await _send_concurrently(used, most) if used_api else None,
            side_by_side=await _measure_side_by_side(used) if used_api else None,
        )
    finally:
        for backend in opened:
            await backend.aclose()
        await transport.aclose()


def _only_model(models: tuple[str, ...], transport: Transport) -> str:
    if len(models) != 1:
        several = f"serves several models ({', '.join(models)})"
        found = several if models else "does not report its models"
        raise ConfigurationError(f"{transport.base_url} {found}: pass --model")
    return models[0]


def _choose_api(wanted: str, preferred: Api, completions: Endpoint, chat: Endpoint) -> Api | None:
    """Return the endpoint that runs will use, or `None` if it does not work."""
    works: dict[Api, bool] = {"completions": completions.works, "chat": chat.works}
    order = sorted(works, key=lambda api: api != preferred)
    return next((api for api in order if works[api] and wanted in ("auto", api)), None)


async def _diagnose_endpoint(backend: ServerBackend) -> Endpoint:
    try:
        plain = await _complete(backend, _count_request())
        stops, names = None, False
        words = plain.text.split()
        if len(words) > 3 and words[2] not in "".join(words[:2]):
            stopped = await _complete(backend, _count_request(stop=(words[2],)))
            stops, names = words[2] not in stopped.text, stopped.matched is not None
    except BackendError as error:
        return Endpoint(works=False, error=str(error))
    return Endpoint(
        works=bool(plain.text or plain.reasoning),
        error=None if plain.text or plain.reasoning else "it generated nothing",
        stops=stops,
        names_stop=names,
        token_ids=bool(plain.token_ids),
        counts_tokens=plain.usage is not None,
        reasoning_apart=bool(plain.reasoning),
        refused_fields=tuple(sorted(backend.refused_fields)),
    )


async def _working_prefill(backends: Sequence[ServerBackend]) -> Prefill | None:
    """Return the first kind of prefill that works: the model continues the count."""
    for backend in backends:
        try:
            written = await _complete(backend, _count_request(prefix=COUNTED))
        except BackendError:
            continue
        if _NEXT.match(written.text):
            return backend.capabilities.prefill
    return None


async def _shows_tag(transport: Transport, backend: ServerBackend, tag: str) -> bool | None:
    """Force the model to write a tag that is one token, and return whether it appears in the text."""
    text = {"content" if backend.capabilities.server == "llama.cpp" else "prompt": tag}
    body = {"model": backend.model, "add_special_tokens": False, "parse_special": True, **text}
    try:
        response = await fetch_json(transport, server_root(transport) + "/tokenize", body)
        tokens = (response or {}).get("tokens")
        if not isinstance(tokens, list) or len(tokens) != 1:
            return None
        sampling = Sampling(temperature=0.0, extra={"logit_bias": {str(tokens[0]): 100}})
        return (
            tag in (await _complete(backend, replace(_count_request(), sampling=sampling, max_tokens=2))).text
        )
    except BackendError:
        return None


async def _measure_drift(backend: ServerBackend) -> Drift | None:
    """Generate a text and tokenize it again; sampled text drifts more than greedy text."""
    request = replace(_request(_PROSE, max_tokens=96), sampling=Sampling(temperature=1.0, seed=7))
    try:
        sample = await _complete(backend, request)
        again = await backend.tokens(sample.text)
    except BackendError:
        return None
    if not again or not sample.token_ids:
        return None
    changed = drift_tokens([Span(sample.text, sample.token_ids)], again)
    return Drift(written=len(sample.token_ids), changed=changed)


async def _repeat_prompt(backend: ServerBackend, transport: Transport) -> Repeated | None:
    words = " ".join(f"{uuid.uuid4().hex[:4]}{n}" for n in range(_WORDS))
    request = _request(f"{words}\n{_QUESTION} {COUNTED}", max_tokens=1)
    try:
        first = await _complete(backend, request)
        before = await ask_cache_counters(transport, backend.capabilities.server)
        second = await _complete(backend, request)
        after = await ask_cache_counters(transport, backend.capabilities.server)
    except BackendError:
        return None
    usage = second.usage or Usage()
    counted = None if before is None or after is None else (after - before).hit
    reported = usage.cached_prompt_tokens
    return Repeated(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=counted if reported is None else reported,
        told_by="answer" if reported is not None else "counters",
        first_seconds=round(first.first, 3),
        second_seconds=round(second.first, 3),
    )


async def _send_concurrently(backend: ServerBackend, most: int) -> Crowd | None:
    """Send more and more concurrent requests, until one is refused."""

    def lines(number: int) -> list[CompletionRequest]:
        return [_request(f"Line {number}.{n}. {_QUESTION} {COUNTED}", max_tokens=24) for n in range(number)]

    try:
        alone = (await _complete(backend, lines(1)[0])).seconds
    except BackendError:
        return None
    accepted, together, tried = 1, alone, 1
    while tried < most:
        tried = min(2 * tried, most)
        began = time.monotonic()
        done = await asyncio.gather(
            *(_complete(backend, line) for line in lines(tried)), return_exceptions=True
        )
        errors = [result for result in done if isinstance(result, BaseException)]
        if any(not isinstance(e, BackendError) for e in errors):
            raise errors[0]
        if errors:
            full = any(isinstance(e, APIStatusError) and e.status in _FULL for e in errors)
            accepted = max(accepted, tried - len(errors)) if full else accepted
            break
        accepted, together = tried, time.monotonic() - began
    return Crowd(
        tried=tried, accepted=accepted, alone_seconds=round(alone, 3), together_seconds=round(together, 3)
    )


async def _measure_side_by_side(backend: ServerBackend) -> SideBySide | None:
    try:
        return await measure(backend)
    except BackendError:
        return None


def _count_request(prefix: str = "", stop: tuple[str, ...] = ()) -> CompletionRequest:
    """Return a request for a count: a started one (completions), or one that continues `prefix` (chat)."""
    request = _request(f"{_QUESTION}\n{COUNTED}", max_tokens=24)
    turns = ({"role": "user", "content": _QUESTION},)
    return replace(request, prompt=replace(request.prompt, messages=turns), prefix=prefix, stop=stop)


def _request(text: str, max_tokens: int) -> CompletionRequest:
    turns = ({"role": "user", "content": text},)
    return CompletionRequest(
        prompt=Prompt(text=text, messages=turns), max_tokens=max_tokens, sampling=_GREEDY
    )


async def _complete(backend: ServerBackend, request: CompletionRequest) -> _Sample:
    began, sample = time.monotonic(), _Sample()
    async with aclosing(backend.stream(request)) as chunks:
        async for chunk in chunks:
            now = time.monotonic() - began
            sample = replace(
                sample,
                text=sample.text + chunk.text,
                reasoning=sample.reasoning + chunk.reasoning,
                matched=chunk.matched_stop or sample.matched,
                token_ids=sample.token_ids + chunk.token_ids,
                usage=chunk.usage or sample.usage,
                first=sample.first or now,
                seconds=now,
            )
    return sample
