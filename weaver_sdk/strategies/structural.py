"""The same forms as the grammars, as structural tags: for servers whose own matcher knows "any text but …".

A server that compiles a grammar for a whole vocabulary (vLLM with xgrammar) takes hardly any time for these,
before a run and for each token of it.
"""

from __future__ import annotations

from collections.abc import Container

from weaver_sdk.backends.base import StructuralTag
from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.strategies.grammars import Place, outlines_grammar

_Format = dict[str, object]


def structural_tag(dialect: Dialect, place: Place, max_threads: int) -> StructuralTag | None:
    """Return the form of one place of a run; `None` for a dialect that needs a grammar.

    Args:
        dialect: the markup.
        place: where the completion stands.
        max_threads: outlines of a block at most.
    """
    if not dialect.reasons_in_think or dialect.conclusion or dialect.block is None:
        return None
    if place == "thread":  # its closing tag is a stop string
        return StructuralTag(_text(dialect, dialect.thread[1]))
    answer = _tag(f"{dialect.think[1]}\n", _text(dialect), "")
    if place == "resume":
        closes = [_fixed(f"{dialect.block[1]}\n")] if dialect.block_closed_by == "model" else []
        return StructuralTag(_sequence(*closes, _until(dialect, {dialect.think[1]: answer})))
    outlines: _Format = {"type": "grammar", "grammar": outlines_grammar(dialect, max_threads)}
    fork = _tag(f"{dialect.block[0]}\n{dialect.outlines[0]}\n", outlines, dialect.outlines[1])
    ends = {dialect.block[0]: fork, dialect.think[1]: answer}
    return StructuralTag(_sequence(_fixed(f"{dialect.think[0]}\n"), _until(dialect, ends)))


def _text(dialect: Dialect, *allowed: str) -> _Format:
    return {"type": "any_text", "excludes": _tags_but(dialect, allowed)}


def _until(dialect: Dialect, ends: dict[str, _Format]) -> _Format:
    """Return text up to one of some tags, and what follows that tag."""
    return {
        "type": "triggered_tags",
        "triggers": [*ends],
        "tags": [*ends.values()],
        "stop_after_first": True,
        "excludes": _tags_but(dialect, ends),
    }


def _tag(begin: str, content: _Format, end: str) -> _Format:
    return {"type": "tag", "begin": begin, "content": content, "end": end}


def _sequence(*formats: _Format) -> _Format:
    return {"type": "sequence", "elements": [*formats]}


def _fixed(text: str) -> _Format:
    return {"type": "const_string", "value": text}


def _tags_but(dialect: Dialect, allowed: Container[str]) -> list[str]:
    """Return what text may not hold: a tag without its last character, which small models repeat."""
    return [tag[:-1] for pair in dialect.tags().values() for tag in pair if tag not in allowed]
