"""What an examination means: what was found, what follows from it, what would be better. Words only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from weaver_sdk.backends.side_by_side import GAINS_FROM, STREAMS, SideBySide, gains
from weaver_sdk.doctor.report import Crowd, Drift, Endpoint, Repeated, ServerReport

_WAYS = {
    "continue_final_message": "prefill (continue_final_message)",
    "prefix": "prefill (prefix on the last message)",
    "last_message": "prefill (the last message)",
    "ask": "none: it has to be asked in a further turn",
}
_SHOWN = 100


class Row(NamedTuple):
    """One thing that was found."""

    name: str
    good: bool | None
    """`None` where it is neither good nor bad."""
    found: str


def rows(found: ServerReport) -> Iterator[Row]:
    """Yield what the server can do."""
    yield Row("server", None, found.server)
    context = f", {found.context_tokens} tokens of context" if found.context_tokens else ""
    yield Row("model", None, found.model + context)
    yield _endpoint("/completions", found.completions)
    yield _endpoint("/chat/completions", found.chat)
    if found.chat.works:
        seen = found.prefill_found
        if seen is None and found.prefill != "ask":
            said = f"{_WAYS[found.prefill]}, but the model did not go on"
        else:
            said = _WAYS[seen or "ask"]
        yield Row("going on with a text, chat", seen is not None, said)
    used = _used(found)
    if used is None:
        return
    if used.stops is not None:
        yield Row("stop strings", used.stops, "kept" if used.stops else "not kept")
        yield Row("which stop matched", used.names_stop, "said" if used.names_stop else "not said")
    yield Row("token ids", used.token_ids, "sent" if used.token_ids else "not sent")
    yield Row("token counts", used.counts_tokens, "sent" if used.counts_tokens else "not sent")
    if found.special_tags is not None:
        yield Row("tags that are tokens", found.special_tags, "shown" if found.special_tags else "hidden")
    if used.refused_fields:
        yield Row("refused fields", None, ", ".join(used.refused_fields))
    if found.drift is not None:
        yield Row("drift of text", None, _drift(found.drift))
    if found.repeated is not None:
        yield Row("prefix cache", *_cache(found.repeated))
    if found.crowd is not None:
        yield Row("requests at once", *_at_once(found.crowd))
    yield Row(f"{STREAMS} streams at once", *_side_by_side(found.side_by_side))


def consequences(found: ServerReport) -> Iterator[str]:
    """Yield what weaver-sdk will do with such a server."""
    used = _used(found)
    if used is None:
        yield "Nothing: neither endpoint answers with text."
        return
    if found.api == "completions":
        yield "It asks /completions: every thread goes on after the exact text of its fork."
    elif found.prefill == "ask":
        yield "It asks /chat/completions, and asks the model in a further turn to go on with each text."
    else:
        yield "It asks /chat/completions, and every thread goes on after the text of its fork by prefill."
    if "stop" in used.refused_fields or used.stops is False:
        yield "It cuts the text at the tags itself and closes the stream there."
    elif not used.names_stop:
        yield "It goes by the open tag where the server says that it stopped, and not at what."
    if (side := found.side_by_side) is not None:
        if gains(side.figure):
            yield "`auto` forks, where a question divides."
        else:
            yield "`auto` does not fork, but for a model that was trained to: it asks the bare question."
    if not used.counts_tokens:
        counted = "token ids" if used.token_ids else "pieces of text"
        yield f"It counts {counted}, as no token counts come."


def advice(found: ServerReport) -> Iterator[str]:
    """Yield what would make it better."""
    used = _used(found)
    if used is None:
        yield "Check the base_url (it usually ends in /v1), the model's name and the API key."
        return
    if found.api == "chat" and found.prefill == "ask":
        if found.prefill_found is not None:
            yield (
                f'Give capabilities=Capabilities(api="chat", prefill="{found.prefill_found}"): it goes on '
                "with a text by prefill."
            )
        elif found.server == "deepseek":
            yield "Give https://api.deepseek.com/beta as the base_url: there a text is continued by prefill."
        else:
            yield "A server with /completions (vLLM, SGLang, llama.cpp) goes on with a text more exactly."
    if used.reasoning_apart:
        yield (
            "Reasoning comes in a field of its own, where no fork is read: a server of your own should run "
            "without a reasoning parser."
        )
    if found.special_tags is False:
        yield "The model's tags do not show in its text: start llama.cpp with --special."
    if found.drift is not None and found.drift.changed and found.server == "vllm":
        yield 'prefix="tokens" sends back the tokens that the model wrote, and not their text.'
    repeated, crowd = found.repeated, found.crowd
    if repeated is not None and (repeated.cached_tokens is None or repeated.told_by == "counters"):
        flag = {"vllm": "--enable-prompt-tokens-details", "sglang": "--enable-cache-report"}.get(found.server)
        if flag:
            yield f"Start the server with {flag}: then it reports what came from its cache."
    elif repeated is not None and not repeated.cached_tokens:
        if found.server == "llama.cpp":
            yield (
                "llama.cpp keeps a cache for each slot, so the threads of a fork compute their prefix again; "
                "the embedded engine shares it among them."
            )
        else:
            yield "Nothing came from a prefix cache: switch it on, or every thread computes its prefix again."
    if crowd is not None and crowd.accepted < crowd.tried:
        yield (
            f"The server refused more than {crowd.accepted} requests at once. weaver-sdk learns that by "
            f"itself; max_concurrency={crowd.accepted} spares it the first refusals."
        )
    if (side := found.side_by_side) is not None and not gains(side.figure):
        yield (
            f"A fork gains no time on this server: {STREAMS} streams at once give {side.figure:.2f} times "
            f"the tokens of one, and it takes {GAINS_FROM}. More slots, more cores or a GPU may help."
        )


def _used(found: ServerReport) -> Endpoint | None:
    return {"completions": found.completions, "chat": found.chat, None: None}[found.api]


def _endpoint(name: str, endpoint: Endpoint) -> Row:
    return Row(name, endpoint.works, "works" if endpoint.works else f"no: {endpoint.error}"[:_SHOWN])


def _drift(drift: Drift) -> str:
    return f"{drift.changed} of {drift.written} tokens are others when their text comes back"


def _cache(repeated: Repeated) -> tuple[bool | None, str]:
    took = f"first token after {repeated.first_seconds:.3f} s, then {repeated.second_seconds:.3f} s"
    if repeated.cached_tokens is None:
        return None, f"not reported; {took}"
    by = ", by the server's counters" if repeated.told_by == "counters" else ""
    tokens = f"{repeated.cached_tokens} of {repeated.prompt_tokens} tokens the second time{by}"
    return repeated.cached_tokens > 0, f"{tokens}; {took}"


def _at_once(crowd: Crowd) -> tuple[bool, str]:
    accepted = f"{crowd.accepted} accepted" + (
        f", {crowd.tried} refused" if crowd.accepted < crowd.tried else ""
    )
    took = f"{crowd.alone_seconds:.2f} s for one, {crowd.together_seconds:.2f} s for {crowd.accepted}"
    return crowd.accepted == crowd.tried, f"{accepted}; {took}"


def _side_by_side(side: SideBySide | None) -> tuple[bool | None, str]:
    if side is None:
        return None, "could not be measured"
    speeds = f"{side.alone:.1f} tokens a second for one, {side.together:.1f} for {STREAMS}"
    when = f"measured {side.measured:%Y-%m-%d %H:%M} UTC"
    return gains(side.figure), f"{side.figure:.2f} times the tokens of one; {speeds} ({when})"
