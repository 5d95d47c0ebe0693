"""The house itself: imports run downwards, public names are there, importing is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import weaver_sdk

ROOT = Path(weaver_sdk.__file__).parent
FLOORS = [
    {"cli"},
    {"reasoner"},
    {"session"},
    {"opening", "run_options", "batch"},
    {"session_config"},
    {"settings"},
    {"strategies"},
    {"runtime"},
    {"engines", "models"},
    {"backends"},
    {"telemetry"},
    {"markup"},
    {"result", "events"},
    {"options", "messages"},
    {"errors"},
]
"""From the top down; `testing` and `training` stand beside the house and may use all of it."""
HEIGHT = {room: len(FLOORS) - level for level, rooms in enumerate(FLOORS) for room in rooms}


def rooms_used(file: Path) -> set[str]:
    """The rooms of this package that a file imports when it runs, at its top or inside a function."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    return {name.split(".")[1] for name in names if name.startswith("weaver_sdk.")}


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = [file for file in ROOT.rglob("*.py") if room_of(file) in HEIGHT]


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_imports_run_downwards_only(file: Path) -> None:
    own = HEIGHT[room_of(file)]
    upwards = {room for room in rooms_used(file) if HEIGHT.get(room, own + 1) > own}
    assert not upwards, f"{file.name} uses {upwards}, which lie above it"


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room_of(file) for file in ROOT.rglob("*.py")} - {"__init__", "testing", "training"}
    assert rooms <= set(HEIGHT)


def test_every_public_name_is_there() -> None:
    for name in weaver_sdk.__all__:
        assert getattr(weaver_sdk, name) is not None
    assert set(weaver_sdk.__all__) <= set(dir(weaver_sdk))


def test_a_name_that_is_not_there_is_said_so() -> None:
    with pytest.raises(AttributeError, match="Parallelreasoner"):
        _ = weaver_sdk.Parallelreasoner  # type: ignore[attr-defined]


def test_importing_the_package_imports_no_network_library() -> None:
    code = "import sys, weaver_sdk; print({'httpx2', 'openai', 'pydantic', 'rich'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_the_reasoner_imports_neither_openai_nor_rich() -> None:
    unwanted = "{'openai', 'rich', 'typer'}"
    code = f"import sys; from weaver_sdk import ParallelReasoner; print({unwanted} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
