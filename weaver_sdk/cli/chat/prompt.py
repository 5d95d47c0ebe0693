"""Where questions come from: a line editor on a terminal, plain lines from a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from weaver_sdk.cli.chat.commands import COMMANDS
from weaver_sdk.cli.chat.journal import home


class Prompt(Protocol):
    """Gives the next line."""

    async def line(self) -> str:
        """Return what the user typed.

        Raises:
            EOFError: there is no more.
            KeyboardInterrupt: the user pressed Ctrl-C.
        """
        ...


class PipePrompt:
    """Reads questions from standard input, one a line."""

    async def line(self) -> str:
        """Return the next line that is not empty."""
        while True:
            text: str = await asyncio.to_thread(sys.stdin.readline)
            if not text:
                raise EOFError
            if text.strip():
                return text.strip()


def terminal_prompt(status: Callable[[], str], *, colour: bool) -> Prompt:
    """Return a prompt with editing, a history over conversations, and completion of commands.

    Args:
        status: what stands in the line at the bottom.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import ColorDepth

    class Commands(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            typed = document.text_before_cursor
            if not typed.startswith("/") or " " in typed:
                return
            for name, command in COMMANDS.items():
                if name.startswith(typed[1:]):
                    yield Completion(f"/{name}", start_position=-len(typed), display_meta=command.help)

    keys = KeyBindings()

    @keys.add("escape", "enter")  # Alt-Enter
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    history: History
    try:
        home().mkdir(parents=True, exist_ok=True, mode=0o700)
        history = FileHistory(str(home() / "history"))
    except OSError:
        history = InMemoryHistory()
    editor: PromptSession[str] = PromptSession(
        history=history,
        completer=Commands(),
        complete_while_typing=True,
        key_bindings=keys,
        color_depth=None if colour else ColorDepth.MONOCHROME,
        bottom_toolbar=lambda: FormattedText([("noreverse fg:ansibrightblack", status())]),
        reserve_space_for_menu=4,
    )

    class TerminalPrompt:
        async def line(self) -> str:
            text: str = await editor.prompt_async(FormattedText([("bold fg:ansicyan", "› ")]))
            return text.strip()

    return TerminalPrompt()
