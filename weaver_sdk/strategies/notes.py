"""What is noted about the markup that a model wrote: tags where none belong, and odd spellings."""

from __future__ import annotations

from collections.abc import Callable, Collection

from weaver_sdk.markup import has_box
from weaver_sdk.result import RepairKind
from weaver_sdk.strategies.tags import FORK, TagFound, TagKey, forbidden_in_thread

Repaired = Callable[[RepairKind, str], None]
"""Takes what was wrong, and what was done about it."""


def note_thread(repaired: Repaired, text: str, found: TagFound | None) -> None:
    """Note what was wrong with the markup of a thread.

    Args:
        repaired: takes the notes.
        text: of the thread.
        found: the tag that ended it; `None` if something else did.
    """
    tag = found.tag if found is not None else None
    if tag is not None and (kind := forbidden_in_thread(tag)):
        repaired(kind, f"closed before the {tag.text} that it wrote, and joined")
    if tag is not None and not tag.exact:
        repaired("tag_spelling", f"{tag.text} was read as a tag")
    if has_box(text):
        repaired("thread_wrote_answer", "kept as text; a thread's box is never the answer")


def note_strays(repaired: Repaired, passed: Collection[TagKey], *, may_fork: bool) -> None:
    """Note tags on the main line that were read as text, though no text should hold them.

    Args:
        repaired: takes the notes.
        passed: the tags that were read as text.
        may_fork: whether outlines would have been markup.
    """
    if not may_fork and FORK in passed:
        repaired("forks_over_limit", "outlines were left as text: no further block is allowed")
    if any(name == "thread" for name, _ in passed):
        repaired("stray_tag", "tags of a thread outside a block's threads were left as text")
