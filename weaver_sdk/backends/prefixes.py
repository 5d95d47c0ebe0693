"""The longest common prefix of two texts."""

from __future__ import annotations


def common_prefix(one: str, other: str) -> int:
    """Return the length of the common prefix, in characters."""
    same, different = 0, min(len(one), len(other)) + 1
    while different - same > 1:  # bisecting on slices is faster than a loop over characters
        middle = (same + different) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            different = middle
    return same
