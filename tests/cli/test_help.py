"""The pages of help: quick, because nothing heavy is loaded for them."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

from weaver_sdk import __version__

HEAVY = (
    "rich",
    "pydantic",
    "httpx2",
    "openai",
    "prompt_toolkit",
    "asyncio",
    "tenacity",
    "weaver_sdk.reasoner",
)


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
sys.argv = ["weaver", "--help"]
from weaver_sdk.cli import main
try:
    main()
except SystemExit:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "solve" in done.stdout


@pytest.mark.parametrize(
    "command", [(), ("solve",), ("chat",), ("serve",), ("serve", "vllm"), ("trace",), ("trace", "show")]
)
def test_every_command_has_a_page(weaver: Callable[..., Result], command: tuple[str, ...]) -> None:
    done = weaver(*command, "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.stdout


def test_the_version(weaver: Callable[..., Result]) -> None:
    assert weaver("--version").stdout == f"weaver {__version__}\n"


def test_a_page_of_help_takes_the_width_of_the_terminal() -> None:
    command = [sys.executable, "-m", "weaver_sdk", "solve", "--help"]
    widths = {}
    for columns in (60, 110, 300):
        environment = os.environ | {"COLUMNS": str(columns)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        widths[columns] = max(map(len, done.stdout.splitlines()))
    assert widths[60] <= 60
    assert 80 < widths[110] <= 110
    assert widths[300] <= 120


def test_a_command_speaks_of_no_option_that_it_does_not_have(weaver: Callable[..., Result]) -> None:
    assert "--local" not in weaver("doctor", "--help").stdout


def test_the_command_is_a_module_too() -> None:
    for arguments in (["--version"], ["solve", "--help"]):
        command = [sys.executable, "-m", "weaver_sdk", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.startswith((f"weaver {__version__}\n", "Usage: python -m weaver_sdk solve"))
