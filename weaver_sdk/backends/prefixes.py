"""What texts have in common."""

from __future__ import annotations


def common_prefix(one: str, other: str) -> int:
    """Return how many characters two texts begin alike with."""
    same, different = 0, min(len(one), len(other)) + 1
    while different - same > 1:  # comparing slices by bisection beats a loop over characters
        middle = (same + different) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            different = middle
    return same
