"""The prompt on a terminal: real keys through prompt_toolkit's own pipe."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from weaver_sdk.cli.chat.prompt import Prompt, terminal_prompt


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


@pytest.fixture
def prompt(keys: PipeInput, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prompt:
    monkeypatch.setenv("WEAVER_HOME", str(tmp_path))
    return terminal_prompt(lambda: "status", colour=True)


async def test_a_line_is_edited(keys: PipeInput, prompt: Prompt) -> None:
    keys.send_text("Compute 47*87\x7f6\r")  # a backspace in the middle
    assert await prompt.line() == "Compute 47*86"


async def test_alt_enter_starts_a_new_line(keys: PipeInput, prompt: Prompt) -> None:
    keys.send_text("one\x1b\rtwo\r")
    assert await prompt.line() == "one\ntwo"


async def test_earlier_lines_come_back(keys: PipeInput, prompt: Prompt) -> None:
    keys.send_text("first\r")
    await prompt.line()
    keys.send_text("\x1b[A\r")  # the arrow up
    assert await prompt.line() == "first"


async def test_ctrl_c_and_ctrl_d(keys: PipeInput, prompt: Prompt) -> None:
    keys.send_text("half a line\x03")
    with pytest.raises(KeyboardInterrupt):
        await prompt.line()
    keys.send_text("\x04")
    with pytest.raises(EOFError):
        await prompt.line()
