"""A conversation as data: messages as in OpenAI's chat API, with text or content parts.

Content is data: nothing here reads markup, braces or tags in it. What `conversation` returns is made of plain
dicts, lists and strings, so it survives JSON and back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from weaver_sdk.errors import ConfigurationError

Message = Mapping[str, Any]
"""One turn: `role`, `content`, and other fields of the chat API (`name`, `tool_calls`, `tool_call_id`).

`content` is a text, or parts: `{"type": "text", "text": …}`,
`{"type": "image_url", "image_url": {"url": …}}`, `input_audio`, `file`, or other types that the server knows.
"""

Messages = Sequence[Message]
"""A conversation, oldest turn first."""

Content = str | Sequence[Mapping[str, Any]]
"""What a turn says: a text, or parts."""

TextRole = Literal["system", "user", "assistant"]
"""Who speaks, in a conversation rendered as text."""

ROLES = ("system", "developer", "user", "assistant", "tool")
"""Every role that a turn may have. `developer` is OpenAI's newer word for `system`, and means the same."""

_SYSTEM_ROLES = ("system", "developer")
_WITHOUT_CONTENT = ("tool_calls", "audio", "refusal")
"""What an assistant's turn may hold instead of content."""
_IN_WORDS = {
    "image_url": "an image",
    "input_audio": "audio",
    "file": "a file",
    "video_url": "a video",
}


def conversation(
    problem: str | Messages, *, system: str | None = None, history: Messages = ()
) -> tuple[Message, ...]:
    """Return what a user gave as a checked conversation that ends with the user's turn.

    Its system turns, wherever they are, become one at the start: see `merge_system`.

    Args:
        problem: a question, or a whole conversation. It may contain tool calls and tool results, which chat
            servers accept.
        system: a system prompt; it goes before the conversation's own system turns, unless their text already
            begins with it, as in a conversation from a result. A blank one is ignored.
        history: earlier turns, if `problem` is a text.

    Raises:
        ConfigurationError: the conversation is empty, does not end with the user's turn, or has an unknown
            shape; or both messages and a history were given.
    """
    if system is not None and not isinstance(system, str):
        raise ConfigurationError(f"system={type(system).__name__}: give the system prompt as a text")
    if isinstance(problem, str):
        turns = [*_checked(history, "history"), {"role": "user", "content": problem}]
    elif history:
        raise ConfigurationError("give earlier turns among the messages or as history=, not both")
    else:
        turns = _checked(problem, "messages")
    if not turns:
        raise ConfigurationError("the conversation is empty: give at least one user message")
    if turns[-1]["role"] != "user":
        raise ConfigurationError(
            f"the last message must be the user's: there is nothing to answer after one of role "
            f"{turns[-1]['role']!r}"
        )
    if _is_blank(turns[-1]["content"]):
        raise ConfigurationError("the problem is empty: give the text of a question")
    merged = merge_system(turns)
    if system and system.strip() and not _begins_with(merged[0], system):
        merged = merge_system([{"role": "system", "content": system}, *merged])
    return tuple(merged)


def merge_system(messages: Messages, *ours: str) -> list[Message]:
    """Return a conversation with one system turn, at the start: the user's texts in order, then ours.

    A blank line separates them. Many chat templates refuse a second system turn, or one that is not first.
    The role is `developer` if the user calls all of them that, else `system`.

    Args:
        messages: a conversation.
        ours: further system texts; empty ones are ignored.
    """
    given = [message for message in messages if message.get("role") in _SYSTEM_ROLES]
    rest = [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
    contents: list[Content] = [*(message["content"] for message in given), *filter(None, ours)]
    if not contents:
        return rest
    content = contents[0]
    for more in contents[1:]:
        content = _joined(content, more, "\n\n")
    roles = {message["role"] for message in given}
    role = "developer" if roles == {"developer"} else "system"
    return [{**(given[0] if given else {}), "role": role, "content": content}, *rest]


def with_text_after(messages: Messages, text: str, gap: str = "\n\n") -> list[Message]:
    """Return a conversation with a text appended to its last user turn: to its text, or as a further part.

    Args:
        messages: a conversation.
        text: the text to append; an empty one changes nothing.
        gap: what separates the two.

    Raises:
        ConfigurationError: there is no user turn.
    """
    turns = list(messages)
    if not text:
        return turns
    at = _last_user_turn(turns)
    if at is None:
        raise ConfigurationError("the conversation has no user message: there is nothing to answer")
    turns[at] = {**turns[at], "content": _joined(turns[at]["content"], text, gap)}
    return turns


def text_of(content: object) -> str:
    """Return the text of a content, for servers and templates that take only text.

    Each part gets its own line; no newline is added if white space already separates two parts.

    Raises:
        ConfigurationError: it holds a part that is not text, or it is not a content.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise ConfigurationError("a message has no content: give it a text, or parts")
    texts: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        if kind != "text":
            raise ConfigurationError(
                f"a message holds {_IN_WORDS.get(str(kind), 'a part')} ({kind}), but templates and "
                f'/v1/completions take only text: use a chat server (api="chat")'
            )
        texts.append(part["text"])
    return _on_lines(texts)


def text_turn(message: Message) -> tuple[TextRole, str]:
    """Return the role and the text of a turn, for a template; `developer` becomes `system`.

    Raises:
        ConfigurationError: no template can render the turn: it has a tool call, a tool result or an image.
    """
    role = message.get("role")
    if message.get("tool_calls"):
        raise ConfigurationError('a message calls tools, which templates do not support: use api="chat"')
    if role not in ("system", "developer", "user", "assistant"):
        raise ConfigurationError(
            f"a message has the role {role!r}, but templates know only system, user and assistant"
            + (': use a chat server (api="chat")' if role in ROLES else "")
        )
    return ("system" if role == "developer" else role), text_of(message.get("content"))


def readable(content: Content | None) -> str:
    """Return a content as text to show or measure, not to send: an image becomes `[image_url]`."""
    if content is None or isinstance(content, str):
        return content or ""
    return _on_lines([part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content])


def transcript(messages: Messages) -> str:
    """Return a conversation in the form of `readable`, each turn on its own lines."""
    return "".join(f"{readable(message.get('content'))}\n" for message in messages)


def question_of(messages: Messages) -> str:
    """Return the last user turn in the form of `readable`; empty if there is none."""
    at = _last_user_turn(messages)
    return "" if at is None else readable(messages[at].get("content"))


def _begins_with(turn: Message, system: str) -> bool:
    said = readable(turn["content"]) if turn["role"] in _SYSTEM_ROLES else ""
    return said == system or said.startswith(f"{system}\n\n")


def _last_user_turn(messages: Messages) -> int | None:
    return next((at for at in reversed(range(len(messages))) if messages[at].get("role") == "user"), None)


def _joined(first: Content, second: Content, gap: str) -> Content:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}{gap}{second}"
    added = [*_parts(second)]
    if added and added[0].get("type") == "text":
        added[0] = {**added[0], "text": f"{gap}{added[0]['text']}"}
    return [*_parts(first), *added]


def _parts(content: Content) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _on_lines(texts: Sequence[str]) -> str:
    text = ""
    for more in texts:
        separated = not text or not more or text[-1].isspace() or more[0].isspace()
        text += more if separated else f"\n{more}"
    return text


def _is_blank(content: Content) -> bool:
    return all(part["type"] == "text" and not part["text"].strip() for part in _parts(content))


def _checked(messages: object, name: str) -> list[dict[str, Any]]:
    """Return turns as plain dicts.

    Raises:
        ConfigurationError: one is not a turn; the error gives its index, not its content.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        hint = "put a single message into a list" if isinstance(messages, Mapping) else "give a list of dicts"
        raise ConfigurationError(f"{name} is a {type(messages).__name__}, not a list of messages: {hint}")
    return [_checked_turn(message, f"{name}[{at}]") for at, message in enumerate(messages)]


def _checked_turn(message: object, where: str) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ConfigurationError(
            f"{where} is a {type(message).__name__}: give a dict with role and content"
            + (" (its model_dump())" if hasattr(message, "model_dump") else "")
        )
    turn: dict[str, Any] = _plain(message, where)
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        raise ConfigurationError(f"{where} has the role {role!r}: use one of {', '.join(ROLES)}")
    if content is None:
        if role == "assistant" and any(turn.get(key) for key in _WITHOUT_CONTENT):
            return turn
        raise ConfigurationError(f"{where} ({role}) has no content: give it a text, or parts")
    if isinstance(content, str):
        return turn
    if not isinstance(content, list) or not content:
        raise ConfigurationError(
            f"the content of {where} is {'empty' if content == [] else f'a {type(content).__name__}'}: "
            "give a text, or a list of parts"
        )
    for at, part in enumerate(content):
        _check_part(part, f"{where}, part {at}")
    return turn


def _check_part(part: object, where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str):
        raise ConfigurationError(
            f'{where} is not a content part: give a dict with a type, such as {{"type": "text", "text": …}}'
        )
    if kind == "text" and not isinstance(part.get("text"), str):
        raise ConfigurationError(f'{where} is of type "text" and has no text')


def _plain(value: object, where: str) -> Any:
    """Return a copy made of dicts, lists and JSON values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ConfigurationError(
        f"{where} holds a {type(value).__name__}: JSON cannot represent it; encode bytes as base64"
    )
