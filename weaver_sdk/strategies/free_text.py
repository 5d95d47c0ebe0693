"""GBNF rules for "any text without a tag": what a model may write where only the tags are fixed.

GBNF cannot say "but not this string", so the rules spell out an automaton. Every tag begins with its only
"<", so the automaton is small: a "<" begins to follow the tags, the first character that no tag has there
ends that, and a further "<" begins anew. It is written as a regular expression with "[^<]*" as a loop of its
own: servers that compile a grammar for a whole vocabulary take minutes for a recursive form, and mask text
without "<" a hundred times faster than with any other loop.
"""

from __future__ import annotations

from collections.abc import Iterable

_SPECIAL = {"\\": "\\\\", "]": "\\]", "-": "\\x2D", "\n": "\\n"}
_BLANK = " \\t\\r\\n"

_Tree = dict[str, "_Tree"]
"""The tags as a tree, a character a level, in lower case and without their "<"."""


def free_text(tags: Iterable[str]) -> list[str]:
    """Return GBNF rules for text that holds no tag, in whatever letter case.

    - `text`: any such text, the empty one too. It may end in the beginning of a tag.
    - `some`: one that is not empty and begins with no white space.
    - `turn`: a "<" that is no tag, and what may follow it up to the next "<".
    - `broken`: a "<" that is no tag, up to the character that shows it.
    - `begun`: a "<" after which a tag has begun, and no more of it.

    Args:
        tags: of the form `<…>`, in ASCII.
    """
    tree = _tree(tags)
    return [
        "text ::= [^<]* turn*",
        f"some ::= ([^<{_BLANK}] [^<]* | turn) turn*",
        "turn ::= begun | broken [^<]*",
        f'broken ::= "<" {_broken(tree)}',
        f'begun ::= "<" {_begun(tree)}'.rstrip(),
    ]


def free_line(tags: Iterable[str]) -> str:
    """Return GBNF for one line without a tag: not empty, and with no white space in front.

    It is a little stricter than it had to be: a "<" before a character that begins a tag is left out.
    """
    return f'[^<{_BLANK}] ([^<\\n] | "<" {_none_of([*_tree(tags), chr(10)])})*'


def quoted(text: str) -> str:
    """Return a text as a GBNF literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _tree(tags: Iterable[str]) -> _Tree:
    tree: _Tree = {}
    for tag in tags:
        here = tree
        for character in tag.lower()[1:]:
            here = here.setdefault(character, {})
    return tree


def _broken(tree: _Tree) -> str:
    """Return what leads out of the tags: some of a tag, then a character that none has there."""
    deeper = [f"{_one(character)} {_broken(below)}" for character, below in tree.items() if below]
    return f"({' | '.join([_none_of(tree), *deeper])})"


def _begun(tree: _Tree) -> str:
    """Return what a tag may begin with, the whole tag left out; nothing at all is allowed."""
    deeper = [f"{_one(character)} {_begun(below)}".rstrip() for character, below in tree.items() if below]
    return f"({' | '.join(deeper)})?" if deeper else ""


def _one(character: str) -> str:
    """Return a character in either letter case."""
    return f"[{_both_cases(character)}]" if character.isalpha() else quoted(character)


def _none_of(characters: Iterable[str]) -> str:
    return f"[^<{''.join(map(_both_cases, characters))}]"


def _both_cases(character: str) -> str:
    spelled = _SPECIAL.get(character, character)
    return character.upper() + character if character.isalpha() else spelled
