"""How a server's chat template wraps turns: asked once, so that no prompt needs a request of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, ask, root
from weaver_sdk.errors import BackendError, ConnectionFailed
from weaver_sdk.messages import Messages, text_turn

_SYSTEM = "SYSTEMPROMPTHERE"
_TURNS = ("FIRSTQUESTIONHERE", "FIRSTANSWERHERE", "NEXTQUESTIONHERE")
"""Words that no template holds, and that none would change."""


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template as a server told it: call it with messages for the text that the model writes on."""

    before: str
    """What stands before the first question, where there is no system prompt."""
    behind_question: str
    """Between a question and its answer, in an earlier turn."""
    behind_answer: str
    """Between an answer and the next question."""
    behind: str
    """Behind the last question, up to where the model begins to write."""
    system: tuple[str, str] | None = None
    """Before a system prompt, and from there to the first question; `None` where the template has no place
    for one there. Then it goes with the question."""

    def __call__(self, messages: Messages) -> str:
        """Return the prompt for turns that end with the user's.

        Raises:
            ConfigurationError: a turn is no text, such as one with an image, or one of a tool.
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
                prompt += content + self.behind_answer
            else:
                prompt += system + content + (self.behind if index == last else self.behind_question)
                system = ""
        return prompt


async def ask_chat_template(
    transport: Transport, model: str, server: ServerKind, seconds: float = PROBE_SECONDS
) -> ChatTemplate | None:
    """Return how a server wraps turns, or `None` where it does not tell.

    llama.cpp applies its template on request; vLLM makes tokens of a chat, and text of the tokens.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, _TURNS, strict=True)]
    prompt, with_system = await asyncio.gather(
        _applied(transport, model, server, messages, seconds),
        _applied(transport, model, server, [{"role": "system", "content": _SYSTEM}, *messages], seconds),
    )
    if any(prompt.count(turn) != 1 for turn in _TURNS):
        return None
    before, _, behind_first = prompt.partition(_TURNS[0])
    behind_question, _, rest = behind_first.partition(_TURNS[1])
    behind_answer, _, behind = rest.partition(_TURNS[2])
    before_system, _, rest = with_system.partition(_SYSTEM)
    behind_system, _, as_before = rest.partition(_TURNS[0])
    system = (before_system, behind_system) if as_before == behind_first else None
    return ChatTemplate(before, behind_question, behind_answer, behind, system)


async def _applied(
    transport: Transport, model: str, server: ServerKind, messages: Messages, seconds: float
) -> str:
    """Return the text that a server makes of turns; nothing where it does not tell, or takes no such turns.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    try:
        if server == "llama.cpp":
            told = await ask(
                transport, root(transport) + "/apply-template", {"messages": messages}, seconds=seconds
            )
        elif server == "vllm":
            chat = {"model": model, "messages": messages, "add_generation_prompt": True}
            tokens = await ask(transport, root(transport) + "/tokenize", chat, seconds=seconds)
            text = {"model": model, "tokens": (tokens or {}).get("tokens")}
            told = await ask(transport, root(transport) + "/detokenize", text, seconds=seconds)
        else:
            return ""
    except ConnectionFailed:
        raise
    except BackendError:
        return ""
    prompt = (told or {}).get("prompt")
    return prompt if isinstance(prompt, str) else ""
