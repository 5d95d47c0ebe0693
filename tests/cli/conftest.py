"""A server with a scripted model, and the command line called in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from weaver_sdk.cli.app import app
from weaver_sdk.testing import Script, ScriptedBlock, ScriptedTrajectory, spawned_server

THREADS = ScriptedBlock((" 47*86 = 4042\n", " 93*12 = 1116\n"))
SUM = ScriptedTrajectory(
    "Compute 47*86 + 93*12",
    (
        "<think>\nTwo products.\n<Parallel>\n<Outlines>\n<Outline>1: Compute 47*86.</Outline>\n"
        "<Outline>2: Compute 93*12.</Outline>\n</Outlines>",
        THREADS,
        "</Parallel>\n4042 + 1116 = 5158\n</think>\nThe sum is \\boxed{5158}.",
    ),
    "5158",
)
TWICE = ScriptedTrajectory(
    "Now take twice that number, please", ("<think>\nEasy.\n</think>\n\\boxed{10316}",), "10316"
)
NOTHING = ScriptedTrajectory("Say nothing", ("<think>\nHm.\n</think>",), "")


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    """A server that answers at once."""
    # the follow-up stands first: its prompt holds the first question, too
    with spawned_server(Script((TWICE, SUM, NOTHING)), pace=0.0) as server:
        yield server.base_url


@pytest.fixture
def weaver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Call the command line with a home of its own."""
    monkeypatch.setenv("WEAVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WEAVER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=input)

    return call
