"""A server's chat template, probed once, so that no prompt needs a request of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, fetch_json, server_root
from weaver_sdk.errors import BackendError, ConnectionFailed
from weaver_sdk.messages import Messages, text_turn

_SYSTEM = "SYSTEMPROMPTHERE"
_TURNS = ("FIRSTQUESTIONHERE", "FIRSTANSWERHERE", "NEXTQUESTIONHERE")
"""Words that occur in no template, and that no template changes."""


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template as probed from a server: call it with messages for the prompt's text."""

    before: str
    """The text before the first question, if there is no system prompt."""
    after_question: str
    """Between a question and its answer, in an earlier turn."""
    after_answer: str
    """Between an answer and the next question."""
    generation_prompt: str
    """The text after the last question, up to where the model begins to write."""
    system: tuple[str, str] | None = None
    """The texts before a system prompt, and between it and the first question; `None` if the template has no
    system turn. The system prompt is then put before the question."""

    def __call__(self, messages: Messages) -> str:
        """Return the prompt for turns that end with the user's.

        Raises:
            ConfigurationError: a turn is not plain text, such as one with an image or of a tool.
        """
        prompt, system = self.before, ""
        last = len(messages) - 1
        for index, message in enumerate(messages):
            role, content = text_turn(message)
            if role == "system" and index == 0 and self.system is not None:
                prompt = self.system[0] + content + self.system[1]
            elif role == "system":
                system += content + "\n\n"
            elif role == "assistant":
                prompt += content + self.after_answer
            else:
                prompt += (
                    system + content + (self.generation_prompt if index == last else self.after_question)
                )
                system = ""
        return prompt


async def ask_chat_template(
    transport: Transport, model: str, server: ServerKind, seconds: float = PROBE_SECONDS
) -> ChatTemplate | None:
    """Return a server's chat template, or `None` if the server does not expose it.

    llama.cpp applies its template on request; vLLM tokenizes a chat, and detokenizes the tokens.

    Raises:
        ConnectionFailed: no server at the address.
    """
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, _TURNS, strict=True)]
    prompt, with_system = await asyncio.gather(
        _apply(transport, model, server, messages, seconds),
        _apply(transport, model, server, [{"role": "system", "content": _SYSTEM}, *messages], seconds),
    )
    if any(prompt.count(turn) != 1 for turn in _TURNS):
        return None
    before, _, after_first = prompt.partition(_TURNS[0])
    after_question, _, rest = after_first.partition(_TURNS[1])
    after_answer, _, generation_prompt = rest.partition(_TURNS[2])
    before_system, _, rest = with_system.partition(_SYSTEM)
    after_system, _, after_same_question = rest.partition(_TURNS[0])
    system = (before_system, after_system) if after_same_question == after_first else None
    return ChatTemplate(before, after_question, after_answer, generation_prompt, system)


async def _apply(
    transport: Transport, model: str, server: ServerKind, messages: Messages, seconds: float
) -> str:
    """Return the prompt that a server makes of turns; empty if it has no such endpoint or rejects the turns.

    Raises:
        ConnectionFailed: no server at the address.
    """
    try:
        if server == "llama.cpp":
            response = await fetch_json(
                transport, server_root(transport) + "/apply-template", {"messages": messages}, seconds=seconds
            )
        elif server == "vllm":
            chat = {"model": model, "messages": messages, "add_generation_prompt": True}
            tokens = await fetch_json(transport, server_root(transport) + "/tokenize", chat, seconds=seconds)
            text = {"model": model, "tokens": (tokens or {}).get("tokens")}
            response = await fetch_json(
                transport, server_root(transport) + "/detokenize", text, seconds=seconds
            )
        else:
            return ""
    except ConnectionFailed:
        raise
    except BackendError:
        return ""
    prompt = (response or {}).get("prompt")
    return prompt if isinstance(prompt, str) else ""
