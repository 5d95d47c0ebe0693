"""What came of a run whose text is a trajectory in a dialect's markup."""

from __future__ import annotations

import logging
from functools import cache

from weaver_sdk.findings import Draft, Findings
from weaver_sdk.markup import Dialect, extract_answer, has_escaped_tags, is_well_formed, parse
from weaver_sdk.result import NoForkReason

_log = logging.getLogger("weaver_sdk")


def read_trajectory(
    draft: Draft, dialect: Dialect, *, think_open: bool = False, trained: bool = True
) -> Findings:
    """Return what a trajectory holds.

    Args:
        draft: the run.
        dialect: the markup of its text.
        think_open: whether the chat template opened the reasoning.
        trained: whether the model was trained to write the markup.
    """
    answer = extract_answer(draft.text, dialect)
    if answer is None and not trained and not dialect.reasons_in_think:
        answer = _after_blocks(draft.text, dialect)
    reason: NoForkReason = "no_tag" if trained else "not_divided"
    if any(repair.kind == "unreadable_outlines" for repair in draft.repairs):
        reason = "unreadable_outlines"
    elif has_escaped_tags(draft.text, dialect):
        reason = "escaped_tags"
    return Findings(
        answer=answer,
        well_formed=is_well_formed(draft.text, dialect, max(1, draft.max_depth), think_open=think_open),
        exact=dialect.exact or draft.forks == 0,
        no_fork_reason=reason,
    )


def _after_blocks(text: str, dialect: Dialect) -> str | None:
    """Return what the main line says last: the answer where no tag tells it from the reasoning."""
    parts = parse(text, dialect).parts
    return (parts[-1].strip() or None) if parts and isinstance(parts[-1], str) else None


@cache
def warn_inexact(dialect: str) -> None:
    """Say once what `Dialect.exact` means for the user."""
    _log.warning(
        "models of dialect %r are trained with threads that do not see each other: joined as text, they come "
        "near to that and no more",
        dialect,
    )
