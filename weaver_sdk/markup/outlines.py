"""The list of outlines that a model writes before it forks, read more leniently than the strict form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.markup.scanner import Tag, Text, Token, scan
from weaver_sdk.result import Repair, RepairKind

_NUMBER = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,3})*)\s*(?::|[.)](?=\s|\Z))\s*")
"""`1:`, `1.2:`, or as in lists, `1.` or `1)` before white space. A year or a decimal is not read as one."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The task of one thread."""

    label: str
    """The number its thread will carry."""
    text: str
    """Without the number, and without white space around it."""


@dataclass(frozen=True, slots=True)
class OutlineList:
    """The outlines of one block, and the repairs made while reading them."""

    outlines: tuple[Outline, ...]
    repairs: tuple[Repair, ...]


def read_outlines(text: str, dialect: Dialect) -> OutlineList:
    """Read the list after the last tag that opens one, with or without the tag that closes it.

    `text` is what the model wrote so far. A closed list followed by more than white space belongs to an
    earlier block: no outlines are found.

    - An unclosed outline ends at the next one, or at the end of the list (`unclosed_outline`).
    - If no outline has a tag, numbered lines are read instead (`untagged_outlines`).
    - White space around the number and the text is ignored; an outline may span lines.
    - Outlines with the same number and the same text are merged (`outline_numbers`).
    - An outline with a number and no text is kept, one with neither is dropped (`empty_outline`).
    - Numbers stay as written (`3`, `0`, `1.2`) if every outline has one and all differ; otherwise outlines
      are numbered by position. Numbers other than 1 to K in order are noted once (`outline_numbers`).
    - Other tags inside the list are dropped (`stray_tag`).
    - Tags in other letter case are read as tags (`tag_spelling`).
    - The list should follow its block's opening tag (`missing_block_tag`), if the dialect has one.
    - A single outline is noted (`single_outline`), and so is an empty list (`unreadable_outlines`).
    """
    tokens = scan(text, dialect)
    opened = _open_list(tokens)
    if opened is None:
        repair = Repair(kind="unreadable_outlines", done="no list of outlines is open here; decoding went on")
        return OutlineList((), (repair,))
    found = read_list(tokens[opened + 1 :], dialect, also_spelled=_head(tokens, opened))
    if dialect.block is None or any(tag.name == "block" for tag in _head(tokens, opened)):
        return found
    repair = Repair(kind="missing_block_tag", done=f"read as if {dialect.block[0]} stood before the outlines")
    return OutlineList(found.outlines, (repair, *found.repairs))


def _open_list(tokens: Sequence[Token]) -> int | None:
    """Return the index of the tag that opens the last list, if no text follows that list."""
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if isinstance(token, Tag) and token.name == "outlines":
            if not token.closing:
                return index
            following = tokens[index + 1 :]
            if any(isinstance(after, Tag) or after.text.strip() for after in following):
                return None
    return None


def _head(tokens: Sequence[Token], opened: int) -> list[Tag]:
    """Return the tags that open this list: its own, and its block's if that is open."""
    opening = tokens[opened]
    assert isinstance(opening, Tag)
    for token in reversed(tokens[:opened]):
        if isinstance(token, Tag) and token.name in ("block", "outlines"):
            return [token, opening] if token.name == "block" and not token.closing else [opening]
    return [opening]


def read_list(tokens: Sequence[Token], dialect: Dialect, also_spelled: Sequence[Tag] = ()) -> OutlineList:
    """Read the tokens of one list as `read_outlines` does, ignoring what comes before it.

    `also_spelled` are further tags whose letter case is checked.
    """
    repairs: list[Repair] = []

    def note(kind: RepairKind, done: str) -> None:
        repairs.append(Repair(kind=kind, done=done))

    tags = [token for token in tokens if isinstance(token, Tag)]
    if not all(tag.exact for tag in (*also_spelled, *tags)):
        note("tag_spelling", "tags with different letter case were read as tags")
    if any(tag.name not in ("outline", "outlines") for tag in tags):
        note("stray_tag", "tags that do not belong in a list of outlines were dropped")
    if any(tag.name == "outline" for tag in tags):
        written, closed = _tagged(tokens)
        if not closed:
            note(
                "unclosed_outline",
                "unclosed outlines were ended at the next one or at the end of the list",
            )
    else:
        written = _numbered_lines("".join(token.text for token in tokens if isinstance(token, Text)))
        if written:
            note("untagged_outlines", f"numbered lines were read as outlines, without {dialect.outline[0]}")

    entries = [_split(entry) for entry in written]
    if any(not text for _, text in entries):
        note("empty_outline", "outlines without text were kept if they had a number, and dropped if not")
        entries = [entry for entry in entries if any(entry)]
    distinct = list(dict.fromkeys(entries))
    labels = [label for label, _ in distinct]
    if not all(labels) or len(set(labels)) < len(labels):
        labels = [str(place) for place in range(1, len(distinct) + 1)]
        wording = "numbered by position"
    else:
        wording = f"numbers kept as written: {', '.join(labels)}"
    if len(distinct) < len(entries):
        wording = f"{len(entries) - len(distinct)} repeated and merged; {wording}"
    if not _in_order([label for label, _ in entries], dialect):
        note("outline_numbers", wording)
    if not distinct:
        note("unreadable_outlines", "no outline could be read; decoding went on")
    elif len(distinct) == 1:
        note("single_outline", "the block has only one thread")
    outlines = (Outline(label, text) for label, (_, text) in zip(labels, distinct, strict=True))
    return OutlineList(tuple(outlines), tuple(repairs))


def _tagged(tokens: Sequence[Token]) -> tuple[list[str], bool]:
    """Return the text inside each outline's tags, and whether all were closed."""
    entries: list[list[str]] = []
    inside, all_closed = False, True
    for token in tokens:
        if isinstance(token, Text):
            if inside:
                entries[-1].append(token.text)
        elif token.name == "outline":
            all_closed = all_closed and inside == token.closing
            inside = not token.closing
            if inside:
                entries.append([])
        elif token.name == "outlines":
            break
    return ["".join(entry) for entry in entries], all_closed and not inside


def _numbered_lines(text: str) -> list[str]:
    """Return the entries of a plain numbered list; a line without a number continues the one above."""
    entries: list[list[str]] = []
    for line in text.splitlines():
        if _NUMBER.match(line):
            entries.append([line])
        elif entries:
            entries[-1].append(line)
    return ["\n".join(entry) for entry in entries]


def _split(entry: str) -> tuple[str, str]:
    """Return the number and the text of an entry; the number is empty if there is none."""
    number = _NUMBER.match(entry)
    return (number[1], entry[number.end() :].strip()) if number else ("", entry.strip())


def _in_order(labels: Sequence[str], dialect: Dialect) -> bool:
    """Whether the labels are 1 to K in order, or `P.1` to `P.K` if the dialect nests them so."""
    stem = ""
    if dialect.nested_labels == "dotted" and labels:
        stem = "".join(labels[0].rpartition(".")[:2])
    return all(label == f"{stem}{place}" for place, label in enumerate(labels, start=1))
