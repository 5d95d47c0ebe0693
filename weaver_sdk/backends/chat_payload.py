"""The JSON of `/v1/chat/completions`: requests from a text, and the parsing of stream deltas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from weaver_sdk.backends.base import Capabilities, Chunk, CompletionRequest, Prefill
from weaver_sdk.backends.continuation import allowing_repeats
from weaver_sdk.backends.logprobs import chat_fields, read_logprobs
from weaver_sdk.backends.payload import constraint_fields, matched_stop, read_usage, token_limit
from weaver_sdk.errors import ProtocolError
from weaver_sdk.messages import Message

ASKED_TO_GO_ON = "Your answer above is not finished."
"""The first words of the turn that asks a model to continue."""

_SHOWN_CHARACTERS = 80
"""How much of the end of a text is quoted to a model that is asked to continue it."""


def chat_body(request: CompletionRequest, model: str, capabilities: Capabilities) -> dict[str, Any]:
    """Return the fields of a streamed request; extensions only if the server is known to support them."""
    body: dict[str, Any] = {
        "model": model,
        "messages": chat_messages(request, capabilities.prefill),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.prefix and capabilities.prefill == "continue_final_message":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.max_tokens is not None:
        body["max_tokens"] = token_limit(request, capabilities)
    if request.json_schema is not None:  # one that does not support it refuses it, and gets it no more
        named = {"name": "answer", "strict": True, "schema": dict(request.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    if request.prefix and isinstance(request.grammar, str) and capabilities.prefill == "ask":
        request = replace(request, grammar=allowing_repeats(request.grammar, request.prefix))
    return constraint_fields(request, capabilities) | body | chat_fields(request)


def chat_messages(request: CompletionRequest, prefill: Prefill) -> list[Message]:
    """Return the turns of a request: the user's, then those that make the model continue `request.prefix`.

    The user's are sent unchanged: parts, names, tool calls and their results.
    """
    messages: list[Message] = [*request.prompt.messages]
    if not messages:
        messages = [{"role": "user", "content": request.prompt.text}]
    if not request.prefix:
        return messages
    answer: dict[str, Any] = {"role": "assistant", "content": request.prefix}
    if prefill == "prefix":
        answer["prefix"] = True
    if prefill != "ask":
        return [*messages, answer]
    return [*messages, answer, {"role": "user", "content": please_continue(request.prefix, request.task)}]


def please_continue(prefix: str, task: str = "") -> str:
    """Return the turn that asks a model to continue a text.

    Args:
        prefix: the text so far.
        task: what to write next, in words.
    """
    end = prefix[-_SHOWN_CHARACTERS:]
    asked = f"{task} " if task else ""
    return (
        f"{ASKED_TO_GO_ON} {asked}Go on exactly where it stops: what you write now is put "
        "behind it as it is. Do not repeat anything of it, do not begin anew, and say nothing about it. "
        f"It ends with:\n{end}"
    )


def read_chat_chunk(data: Mapping[str, Any]) -> Chunk | None:
    """Parse one object of the stream; `None` if it holds nothing of use.

    Raises:
        ProtocolError: it is not a chunk.
    """
    usage = read_usage(data)
    choices = data.get("choices")
    if not choices:
        return None if usage is None else Chunk(usage=usage)
    try:
        choice = choices[0]
        delta = choice.get("delta") or {}
        text, reasoning = _content(delta.get("content"))
        text = text or delta.get("refusal") or ""
        reasoning = reasoning or delta.get("reasoning") or delta.get("reasoning_content") or ""
        finish = choice.get("finish_reason") or None
        ids = tuple(choice.get("token_ids") or ())
        raw_logprobs = choice.get("logprobs")
        logprobs = read_logprobs(raw_logprobs) if raw_logprobs else ()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ProtocolError(f"a chunk of the stream has an unknown format: {str(data)[:200]}") from error
    if not (text or reasoning or finish or usage or ids or logprobs):
        return None
    return Chunk(
        text=text,
        reasoning=reasoning,
        token_ids=ids,
        finish_reason=finish,
        matched_stop=matched_stop(data, choice) if finish else None,
        usage=usage,
        logprobs=logprobs,
    )


def _content(content: str | Sequence[Mapping[str, Any]] | None) -> tuple[str, str]:
    """Return the text and the reasoning in a delta's content; some servers send it in typed parts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    text = "".join(part.get("text", "") for part in content if part.get("type") == "text")
    thoughts = (part.get("thinking") for part in content if part.get("type") == "thinking")
    return text, "".join(_content(thought)[0] for thought in thoughts)
