"""A token trie of units, laid out as one sequence that trains all of them in one pass.

Units that share a prefix share its tokens. The depth-first order of the trie is the training sequence; a
token sees its ancestors only, and its position is its depth, so that each unit is computed exactly as if it
stood alone (`<context, completion>` paths, ancestor-only attention, Lian et al. 2025).

In depth-first order the descendants of a node are the run of nodes right behind it. So "k is an ancestor of
q, or q itself" is `k <= q < end[k]`, and the whole mask is carried by the one vector `end`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.units import Unit
from training.vocabulary import encode


@dataclass(frozen=True)
class FlatTrie:
    """N tokens in depth-first order; every field has N entries.

    `parents[i]` is the index of the token before token i on its path (-1 for a root): the logits of the
    parent predict token i, wherever it stands in the flat order. `ends[i]` is one behind the last
    descendant. `learned[i]` says whether some unit's completion holds token i.
    """

    tokens: list[int]
    positions: list[int]
    parents: list[int]
    ends: list[int]
    learned: list[bool]

    def __len__(self) -> int:
        return len(self.tokens)


class TooLong(ValueError):
    """A trie does not fit: no branch is ever dropped in silence, so the caller decides."""


def build(units: Iterable[Unit], max_tokens: int | None = None) -> FlatTrie:
    """The flat trie of `units`; raises TooLong where it has more than `max_tokens` tokens."""
    children: list[dict[int, int]] = [{}]  # children[node][token] = node; node 0 is the root above all
    token_of, learned = [-1], [False]
    for unit in units:
        context, completion = encode(unit.context), encode(unit.completion)
        node = 0
        for place, token in enumerate(context + completion):
            child = children[node].get(token)
            if child is None:
                child = len(token_of)
                children[node][token] = child
                children.append({})
                token_of.append(token)
                learned.append(False)
            node = child
            if place >= len(context):
                learned[node] = True
    if max_tokens is not None and len(token_of) - 1 > max_tokens:
        raise TooLong(f"{len(token_of) - 1} tokens in the trie, {max_tokens} allowed")
    return _flatten(children, token_of, learned)


def _flatten(children: list[dict[int, int]], token_of: list[int], learned: list[bool]) -> FlatTrie:
    flat = FlatTrie([], [], [], [], [])
    # (node, index of its parent in the flat order, depth); a negative node closes the subtree of ~node
    stack = [(child, -1, 0) for child in reversed(children[0].values())]
    while stack:
        node, parent, depth = stack.pop()
        if node < 0:
            flat.ends[~node] = len(flat)
            continue
        here = len(flat)
        flat.tokens.append(token_of[node])
        flat.positions.append(depth)
        flat.parents.append(parent)
        flat.ends.append(-1)
        flat.learned.append(learned[node])
        stack.append((~here, -1, 0))
        stack.extend((child, here, depth + 1) for child in reversed(children[node].values()))
    return flat


def ancestor_mask(ends: Tensor) -> Tensor:
    """`ends` of shape (batch, N) -> bool (batch, 1, N, N), true where the query (dim 2) may see the key."""
    index = torch.arange(ends.shape[1], device=ends.device)
    behind = index[None, :] <= index[:, None]
    inside = index[None, :, None] < ends[:, None, :]
    return (behind & inside).unsqueeze(1)
