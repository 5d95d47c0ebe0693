"""The code in README and docs runs, and the shell commands in the README are those that exist."""

import re
from pathlib import Path

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
        eval_example.run(example)


def test_every_make_target_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)`?", (ROOT / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets
