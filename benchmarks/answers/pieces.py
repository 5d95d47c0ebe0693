"""The pieces of an answer that are no prose: Python functions, SQL statements, JSON lists, and like items."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Iterator

from benchmarks.answers.layout import Line, lines_of, words


def code_of(answer: str) -> list[str]:
    """Return the fenced blocks of an answer; all of it if there is none."""
    blocks = re.findall(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", answer, re.DOTALL | re.MULTILINE)
    return blocks or [answer]


def definition(answer: str, name: str) -> str:
    """Return the source of a Python function or class that does something; "" if there is none.

    Args:
        answer: what the model wrote.
        name: a regular expression for the whole name.
    """
    head = re.compile(rf"^([ \t]*)(?:async +def|def|class) +(?:{name})\b[^\n]*", re.MULTILINE)
    for block in code_of(answer):
        for found in head.finditer(block):
            source = textwrap.dedent(_indented(block[found.start() :], len(found[1].expandtabs())))
            if _does_something(source):
                return source
    return ""


def statements(answer: str) -> list[str]:
    """Return the SQL statements in the code of an answer; a description of one is none."""
    texts = (
        text
        for block in code_of(answer)
        for text in re.split(r";|\n\s*\n(?=\s*(?:--|select\b))", block, flags=re.IGNORECASE)
    )
    return [text for text in texts if re.search(r"^\W*(?:select|with)\b[\s\S]+\bfrom\b", text, re.I | re.M)]


def entries(answer: str) -> list[dict[str, object]]:
    """Return the objects of the JSON list that an answer holds; `[]` if it holds none that parses."""
    for block in code_of(answer):
        for opening in re.finditer(r"[\[{]", block):
            try:
                value, _ = json.JSONDecoder(strict=False).raw_decode(block[opening.start() :])
            except (ValueError, RecursionError):  # a weak model may open brackets without end
                continue
            if isinstance(value, dict):  # a list under one key will do
                value = next((inner for inner in value.values() if isinstance(inner, list)), None)
            if isinstance(value, list) and any(isinstance(one, dict) for one in value):
                return [one for one in value if isinstance(one, dict)]
    return []


def items(answer: str, least: int) -> list[str]:
    """Return the items that have at least `least` words: sections, entries of a list, or paragraphs."""
    lines = [line for line in lines_of(answer) if line.kind not in ("fence", "rule")]
    for level in sorted({line.level for line in lines if line.level and line.level != 8}):
        full = [text for text in _sections(lines, level) if words(text) >= least]
        if len(full) >= 2:
            return full
    paragraphs = (
        "\n".join(line.text for line in lines_of(paragraph) if line.kind == "text")
        for paragraph in re.split(r"\n\s*\n", answer)
    )
    return [text for text in paragraphs if words(text) >= least]


def _sections(lines: list[Line], level: int) -> Iterator[str]:
    """Yield the text of each section or item of one level, with its title."""
    text: list[str] | None = None
    for line in lines:
        if 0 < line.level <= level:
            if text is not None:
                yield "\n".join(text)
            text = [] if line.level == level else None
        if text is not None:
            text.append(f"{line.title} {line.text}".strip())
    if text is not None:
        yield "\n".join(text)


def _indented(source: str, indent: int) -> str:
    """Return the first line of a source and what is indented below it."""
    first, *rest = source.splitlines()
    taken = [first]
    for line in rest:
        inside = len(line) - len(line.lstrip()) > indent or line.strip()[:1] in (")", "#")
        if line.strip() and not inside:
            break
        taken.append(line)
    return "\n".join(taken)


def _does_something(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the model's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    node = tree.body[0]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(not _is_nothing(statement) for statement in node.body)


def _is_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)
