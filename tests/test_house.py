"""The house itself: imports run downwards, public names are there, importing is cheap."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import weaver_sdk

ROOT = Path(weaver_sdk.__file__).parent
FLOORS = [
    {"__main__"},
    {"cli"},
    {"reasoner"},
    {"session"},
    {"opening", "run_options", "question_range", "batch", "session_gain"},
    {"session_config"},
    {"settings", "kept_measures"},
    {"strategies"},
    {"runtime"},
    {"doctor"},
    {"engines", "models"},
    {"backends"},
    {"telemetry"},
    {"markup"},
    {"events", "findings"},
    {"result"},
    {"result_views"},
    {"options", "messages"},
    {"errors"},
]
"""From the top down. `testing` stands beside the house and may use all of it; `training` is outside of it."""
HEIGHT = {room: len(FLOORS) - level for level, rooms in enumerate(FLOORS) for room in rooms}
PUBLIC = {f"weaver_sdk.{name}": module for name, module in weaver_sdk._MODULE_OF.items()}
"""Where the names live that the package itself hands out."""


def modules_used(file: Path) -> set[str]:
    """All that a file imports when it runs, at its top or inside a function: modules, and names of them."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            used |= {node.module or "", *(PUBLIC.get(name, name) for name in names)}
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
    return used


def rooms_used(file: Path) -> set[str]:
    """The rooms of this package that a file imports when it runs."""
    rooms = {name.split(".")[1] for name in modules_used(file) if name.startswith("weaver_sdk.")}
    return rooms - {"__version__"}


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = [file for file in ROOT.rglob("*.py") if room_of(file) in HEIGHT]


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_imports_run_downwards_only(file: Path) -> None:
    own = HEIGHT[room_of(file)]
    upwards = {room for room in rooms_used(file) if HEIGHT.get(room, own + 1) > own}
    assert not upwards, f"{file.name} uses {upwards}, which lie above it"


NEVER = [
    ("markup", ("asyncio", "time", "weaver_sdk.backends", "weaver_sdk.runtime")),
    ("backends", ("weaver_sdk.markup",)),
    ("runtime", ("weaver_sdk.markup", "weaver_sdk.engines")),
]
"""What a room must not import though it may lie below: the rules that floors do not hold."""
ENGINES = ("weaver_sdk.engines.llama", "weaver_sdk.engines.vllm")


def breaches(files: Iterable[Path], *forbidden: str) -> list[str]:
    """Which files import, when they run, a module of these or what lies in it."""
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(modules_used(file))
        if any(name == module or name.startswith(module + ".") for module in forbidden)
    ]


@pytest.mark.parametrize(("room", "forbidden"), NEVER, ids=[room for room, _ in NEVER])
def test_what_a_room_must_never_import(room: str, forbidden: tuple[str, ...]) -> None:
    files = [file for file in FILES if room_of(file) == room]
    assert files
    assert breaches(files, *forbidden) == []


def test_one_strategy_alone_knows_both_the_markup_and_the_runtime() -> None:
    both = [
        file.name for file in (ROOT / "strategies").glob("*.py") if {"markup", "runtime"} <= rooms_used(file)
    ]
    assert both == ["native.py"]


def test_the_house_knows_nothing_of_what_stands_beside_it() -> None:
    assert breaches(FILES, "training", "weaver_sdk.testing") == []


def test_nobody_imports_the_command_line() -> None:
    others = [file for file in ROOT.rglob("*.py") if room_of(file) not in ("cli", "__main__")]
    assert breaches(others, "weaver_sdk.cli") == []


def breaches_at_the_top(files: Iterable[Path]) -> list[str]:
    """Which files import an engine as soon as they are imported themselves."""
    return [
        f"{file.relative_to(ROOT)} imports {node.module}"
        for file in files
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ENGINES)
    ]


def test_who_knows_an_engine_by_its_class() -> None:
    """Whoever knows none cannot ask which one it has: what engines differ in, they tell by themselves."""
    known = {
        str(file.relative_to(ROOT))
        for file in FILES
        if room_of(file) != "engines" and breaches([file], *ENGINES)
    }
    assert known == {"reasoner.py", "cli/serve.py"}
    assert breaches_at_the_top(ROOT / name for name in known) == []


def test_no_name_says_nothing_and_every_import_is_written_out() -> None:
    everything = [*ROOT.rglob("*.py")]
    vague = {"utils", "helpers", "common", "manager", "core"}
    assert not [file for file in everything if vague & {*file.relative_to(ROOT).with_suffix("").parts}]
    assert not [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in everything
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room_of(file) for file in ROOT.rglob("*.py")} - {"__init__", "testing"}
    assert rooms <= set(HEIGHT)


def test_every_public_name_is_there() -> None:
    for name in weaver_sdk.__all__:
        assert getattr(weaver_sdk, name) is not None
    assert set(weaver_sdk.__all__) <= set(dir(weaver_sdk))


def test_users_and_type_checkers_see_the_same_names_from_the_same_places() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    [seen] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        node.module: tuple(alias.name for alias in node.names)
        for node in seen.body
        if isinstance(node, ast.ImportFrom)
    }
    assert typed == weaver_sdk._MODULES
    lazy = [name for names in weaver_sdk._MODULES.values() for name in names]
    assert len(lazy) == len(set(lazy))
    assert sorted(lazy) == sorted(weaver_sdk.__all__)


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
