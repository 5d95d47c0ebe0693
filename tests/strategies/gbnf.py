"""GBNF as a regular expression: enough of it to try the grammars of this package, which do not recurse."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r'"(?P<text>(?:\\.|[^"\\])*)"|(?P<kind>\[(?:\\.|[^\]\\])*\])|(?P<name>[a-z][a-z0-9-]*)|\S|\s+'
)


def matches(grammar: str, text: str) -> bool:
    """Return whether a text is one that a grammar describes, to its end."""
    return re.fullmatch(_pattern(grammar), text, re.DOTALL) is not None


def _pattern(grammar: str) -> str:
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())

    def expanded(name: str) -> str:
        return f"(?:{''.join(map(piece, _PIECE.finditer(rules[name])))})"

    def piece(found: re.Match[str]) -> str:
        if found["text"] is not None:
            literal = re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found["text"])
            return f"(?:{re.escape(literal)})"
        if found["name"] is not None:
            return expanded(found["name"])
        if found["kind"] is not None:
            return found["kind"]
        symbol = found.group().strip()
        return "(?:" if symbol == "(" else symbol

    return expanded("root")
