"""What can be typed with a slash: a table, from the name to what is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.text import Text

from weaver_sdk.cli.cells import safe
from weaver_sdk.cli.chat.conversation import Conversation
from weaver_sdk.cli.chat.journal import Journal, load, save
from weaver_sdk.cli.chat.settings import Settings
from weaver_sdk.cli.screen import Screen
from weaver_sdk.errors import ConfigurationError


class Chat(Protocol):
    """What a command can see and change."""

    settings: Settings
    conversation: Conversation
    journal: Journal
    screen: Screen

    @property
    def model(self) -> str:
        """The model that answers, in words."""
        ...

    async def use_model(self, name: str) -> None:
        """Go on with another model of the same server."""

    async def ask(self, question: str) -> None:
        """Take a turn."""


class Leave(Exception):
    """The user wants to leave."""


Action = Callable[[Chat, str], Awaitable[str | None]]


@dataclass(frozen=True)
class Command:
    """One line of `/help`, and what it does: a function that returns what to say."""

    usage: str
    help: str
    act: Action


def parse(line: str) -> tuple[str, str] | None:
    """Return the name and the rest of a line that is a command; `None` for a question."""
    if not line.startswith("/") or line[1:2] in ("", " ", "/"):
        return None
    name, _, rest = line[1:].partition(" ")
    return name.lower(), rest.strip()


async def obey(chat: Chat, name: str, rest: str) -> str | None:
    """Do what a command says and return what to say about it.

    Raises:
        ConfigurationError: there is no such command, or it cannot be done.
        Leave: the user wants to leave.
    """
    command = COMMANDS.get(name)
    if command is None:
        close = [known for known in COMMANDS if known.startswith(name)]
        if len(close) != 1:
            raise ConfigurationError(f"no command /{name}: /help lists them")
        command = COMMANDS[close[0]]
    return await command.act(chat, rest)


def _path(text: str) -> Path:
    return Path(text).expanduser()


async def _help(chat: Chat, rest: str) -> str:
    width = max(len(command.usage) for command in COMMANDS.values())
    return "\n".join(f"{command.usage:<{width}}  {command.help}" for command in COMMANDS.values())


async def _model(chat: Chat, rest: str) -> str:
    if rest:
        await chat.use_model(rest)
    return f"model: {chat.model}"


async def _mode(chat: Chat, rest: str) -> str:
    if rest:
        chat.settings.set_mode(rest)
    return f"mode: {chat.settings.mode}"


async def _budget(chat: Chat, rest: str) -> str:
    if rest:
        chat.settings.set_budget(rest)
    return f"budget: {chat.settings.budget_text()}"


async def _reasoning(chat: Chat, rest: str) -> str:
    if rest:
        chat.settings.set_reasoning(rest)
    return f"reasoning: {chat.settings.reasoning}"


async def _trace(chat: Chat, rest: str) -> str:
    if rest:
        chat.settings.trace = None if rest == "off" else _path(rest)
    return f"trace: {chat.settings.trace or 'off'}"


async def _save(chat: Chat, rest: str) -> str:
    if not rest:
        raise ConfigurationError("name a file, as in /save sums.jsonl")
    save(chat.conversation, _path(rest))
    return f"saved: {len(chat.conversation.turns)} turns in {rest}"


async def _load(chat: Chat, rest: str) -> str:
    if not rest:
        raise ConfigurationError("name a file, as in /load sums.jsonl")
    chat.conversation = load(_path(rest))
    chat.journal.loaded(chat.conversation)
    return f"loaded: {len(chat.conversation.turns)} turns"


async def _retry(chat: Chat, rest: str) -> str | None:
    had = len(chat.conversation.turns)
    question = chat.conversation.retry()
    if question is None:
        return "nothing to ask again"
    if len(chat.conversation.turns) < had:
        chat.journal.taken_back()
    chat.screen.print(Text(f"› {safe(question)}", style="dim"))
    await chat.ask(question)
    return None


async def _clear(chat: Chat, rest: str) -> str:
    chat.conversation = Conversation()
    chat.journal.cleared()
    return "a new conversation"


async def _last(chat: Chat, rest: str) -> str | None:
    if not chat.conversation.turns:
        return "nothing was answered yet"
    turn = chat.conversation.turns[-1]
    chat.screen.print(Text(safe(turn.text)), Text(turn.timing, style="bold"))
    return None


async def _quit(chat: Chat, rest: str) -> None:
    raise Leave


COMMANDS: dict[str, Command] = {
    "help": Command("/help", "this list", _help),
    "model": Command(
        "/model [NAME]",
        "which model answers; or take another one: of the server, or with --local a GGUF file",
        _model,
    ),
    "mode": Command("/mode [parallel|sequential|both]", "how to think; both is a race of the two", _mode),
    "budget": Command("/budget [total=N thread=N seconds=N …|off]", "what a turn may spend", _budget),
    "reasoning": Command("/reasoning [show|fold|hide]", "what is seen of the reasoning", _reasoning),
    "trace": Command("/trace [FILE|off]", "write every event of the turns to come to a file", _trace),
    "save": Command("/save FILE", "write the conversation to a file", _save),
    "load": Command("/load FILE", "go on with a saved conversation", _load),
    "retry": Command("/retry", "ask the last question again", _retry),
    "clear": Command("/clear", "start a new conversation", _clear),
    "last": Command("/last", "all that the model wrote in the last turn", _last),
    "quit": Command("/quit", "leave; Ctrl-D does the same", _quit),
}
"""Every command by name; a beginning that fits only one will do."""
