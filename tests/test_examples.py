"""The code in README and docs runs as it stands, and the make targets that the README names are there."""

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_examples import CodeExample, find_examples

import weaver_sdk
from weaver_sdk.testing import Script, ScriptedTrajectory, spawned_server

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN_SERVER = "http://127.0.0.1:8000/v1"
"""The address that pages write where the reader puts in that of a server; a test puts in a scripted one."""
NOT_RUN = re.compile(r"<!-- not run: (\w.+) -->")
"""What stands in the line above a snippet that cannot run here, with the reason."""

EXAMPLES = [
    example
    for example in find_examples(*map(str, PAGES))
    if not example.source.startswith("--8<--")  # a whole file of examples/, which `make examples` runs
]
TESTS = [example for example in EXAMPLES if re.search(r"^(async )?def test_", example.source, re.MULTILINE)]
SCRIPTS = [example for example in EXAMPLES if example not in TESTS]


def reason_not_to_run(example: CodeExample) -> str | None:
    """Why a page says that its snippet cannot run here."""
    above = example.path.read_text().splitlines()[example.start_line - 2]
    found = NOT_RUN.fullmatch(above.strip())
    return found[1] if found else None


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """A server that knows the problems of the pages."""
    asked = {"Compute 47*86 + 93*12": "5158", "Compute 12*7 + 35*4": "224", "6 times 7 is": "42"}
    asked["Compare SQLite, PostgreSQL and MySQL for a small web shop."] = "SQLite"
    known = [
        ScriptedTrajectory(problem, (f"<think>\nEasy.\n</think>\n\\boxed{{{answer}}}",), answer)
        for problem, answer in asked.items()
    ]
    with spawned_server(Script(tuple(known)), pace=0.0) as server:
        yield server.base_url


def run_as_script(source: str, base_url: str, folder: Path) -> None:
    """Do what `python FILE` does with a snippet that was copied into a file."""
    file = folder / "copied.py"
    file.write_text(source.replace(SHOWN_SERVER, base_url), "utf-8")
    runpy.run_path(str(file), run_name="__main__")


@pytest.mark.parametrize("example", SCRIPTS, ids=str)
def test_a_snippet_runs_when_copied_into_a_file(
    example: CodeExample, base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if reason_not_to_run(example) is None:
        run_as_script(example.source, base_url, tmp_path)
        return
    compile(example.source, str(example), "exec")
    for node in ast.walk(ast.parse(example.source)):
        if isinstance(node, ast.ImportFrom) and node.module == "weaver_sdk":
            assert {alias.name for alias in node.names} <= set(weaver_sdk.__all__)


def test_only_what_needs_more_than_a_server_is_not_run() -> None:
    assert {reason_not_to_run(example) for example in SCRIPTS} <= {None, "needs vLLM and a model for it"}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("async with thing:\n    pass\n", SyntaxError),
        ("await thing()\n", SyntaxError),
        ("import asyncio\nasync def main(): assert False\nasyncio.run(main())\n", AssertionError),
        ("if __name__ == '__main__': assert False\n", AssertionError),
    ],
)
def test_a_snippet_that_would_fail_in_a_file_fails_here(
    source: str, error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error):
        run_as_script(source, SHOWN_SERVER, tmp_path)


def pytest_in_an_empty_folder(folder: Path, source: str, settings: str = "") -> tuple[int, str]:
    """Run pytest on a copied test file, and return its exit code and what it printed."""
    (folder / "test_my_code.py").write_text(source, "utf-8")
    if settings:
        (folder / "pyproject.toml").write_text(settings, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout


def test_the_test_on_the_page_passes_in_an_empty_folder(tmp_path: Path) -> None:
    [example] = TESTS
    assert example.path.name == "testing.md"
    code, said = pytest_in_an_empty_folder(tmp_path, example.source)
    assert (code, "1 passed" in said) == (0, True), said


def test_a_wrong_test_on_that_page_would_fail(tmp_path: Path) -> None:
    [example] = TESTS
    wrong = example.source.replace('result.answer == "4"', 'result.answer == "5"')
    code, said = pytest_in_an_empty_folder(tmp_path, wrong)
    assert (code, "1 failed" in said) == (1, True), said


def test_with_the_settings_on_that_page_it_needs_no_marker(tmp_path: Path) -> None:
    [example] = TESTS
    [settings] = re.findall(r"```toml\n(.*?)```", example.path.read_text(), re.DOTALL)
    bare = example.source.replace("@pytest.mark.asyncio\n", "").replace("import pytest\n\n", "")
    assert "pytest" not in bare
    code, said = pytest_in_an_empty_folder(tmp_path, bare, settings)
    assert (code, "1 passed" in said) == (0, True), said


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_a_page_that_names_files_of_the_repository_says_that_they_need_a_clone(page: Path) -> None:
    text = page.read_text()
    if re.search(r"\b(benchmarks/|python -m training|make [a-z]+-[a-z]+|make demo)", text):
        assert re.search(r"\bin a\s+clone\b", text, re.IGNORECASE)


def test_every_make_target_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)`?", (ROOT / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets
