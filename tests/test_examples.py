"""The code in README and docs runs, and the shell commands in the README are those that exist."""

import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
SHOWN_ONLY = ("await ", "async with ", "api_key=")
"""Snippets that stand inside a function of yours, or need a server of yours: they are read, not run."""

EXAMPLES = [example for example in find_examples(*map(str, PAGES)) if example.prefix == "python"]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_code_on_a_page_is_sound(example: CodeExample, eval_example: EvalExample) -> None:
    source = example.source
    if any(line.startswith(SHOWN_ONLY) for line in source.splitlines()):
        compile(source, str(example), "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    else:
        for test in shown_tests(eval_example.run(example)):
            call(test)


def shown_tests(module: dict[str, Any]) -> list[Callable[[], Any]]:
    return [thing for name, thing in module.items() if name.startswith("test_") and callable(thing)]


def call(test: Callable[[], Any]) -> None:
    made = test()
    if inspect.iscoroutine(made):
        asyncio.run(made)


@pytest.mark.parametrize("opening", ["def", "async def"])
def test_a_test_that_a_page_shows_is_run(opening: str, eval_example: EvalExample) -> None:
    [test] = shown_tests(
        eval_example.run(CodeExample.create(f"{opening} test_it():\n    assert 2 + 2 == 5\n"))
    )
    with pytest.raises(AssertionError):
        call(test)


def test_the_page_on_testing_shows_a_test() -> None:
    [example] = [example for example in EXAMPLES if example.path.name == "testing.md"]
    assert "async def test_" in example.source


def test_every_make_target_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)`?", (ROOT / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets
