"""The journal: every step of a conversation as a line of JSON, written when it happens. It survives a crash.

A saved conversation has the same form, so `/save`, `/load` and `--resume` read and write one thing.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from weaver_sdk.cli.chat.conversation import Conversation, Turn, turn_as_dict
from weaver_sdk.errors import ConfigurationError


def home() -> Path:
    """Return the folder of the journals and of the history of typed lines."""
    named = os.environ.get("WEAVER_HOME")
    return Path(named) if named else Path(typer.get_app_dir("weaver"))


def newest() -> Path:
    """Return the journal of the last conversation.

    Raises:
        ConfigurationError: there is none.
    """
    journals = sorted((home() / "chats").glob("*.jsonl"))
    if not journals:
        raise ConfigurationError("no conversation to resume: start one with `weaver chat`")
    return journals[-1]


class Journal:
    """Writes a conversation down as it goes, in a file that its owner alone can read."""

    def __init__(self, file: Path | None = None) -> None:
        """Args: file: a journal to go on with; a new one, named by the time, where not given."""
        moment = datetime.now().strftime("%Y-%m-%dT%H-%M-%S.%f")
        self.file = file or home() / "chats" / f"{moment}.jsonl"

    def question(self, question: str) -> None:
        """Note that a question is being worked on."""
        self._write({"question": question})

    def turn(self, turn: Turn) -> None:
        """Note what came of it."""
        self._write({"turn": turn_as_dict(turn)})

    def taken_back(self) -> None:
        """Note that the last turn does not count."""
        self._write({"back": True})

    def cleared(self) -> None:
        """Note that all turns so far do not count."""
        self._write({"clear": True})

    def loaded(self, conversation: Conversation) -> None:
        """Note that another conversation takes the place of this one."""
        self.cleared()
        for turn in conversation.turns:
            self.turn(turn)

    def _write(self, entry: dict[str, Any]) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            number = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "w", encoding="utf-8") as out:
                out.write(json.dumps(entry, ensure_ascii=True) + "\n")
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.file}: {error.strerror}") from error


def save(conversation: Conversation, file: Path) -> None:
    """Write a conversation to a file, in place of what is there.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    lines = [json.dumps({"turn": turn_as_dict(turn)}) + "\n" for turn in conversation.turns]
    try:
        file.write_text("".join(lines), "utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error


def load(file: Path) -> Conversation:
    """Read a conversation; a last line that a crash cut short is left out.

    Raises:
        ConfigurationError: the file cannot be read, or is no conversation.
    """
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    conversation = Conversation()
    for number, line in enumerate(lines, 1):
        try:
            _play(json.loads(line), conversation)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            if number == len(lines) and number > 1:
                break
            raise ConfigurationError(f"{file}, line {number}: not a line of a conversation") from error
    return conversation


def _play(entry: dict[str, Any], conversation: Conversation) -> None:
    if "turn" in entry:
        conversation.add(Turn(**entry["turn"]))
    elif "question" in entry:
        conversation.ask(str(entry["question"]))
    elif "back" in entry:
        conversation.turns.pop()
    elif "clear" in entry:
        conversation.turns.clear()
        conversation.open_question = None
    else:
        raise KeyError("no known entry")
