"""Batched greedy decoding in torch with a key/value cache: for quick looks at a model while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.model import KeyValues, Llama
from training.vocabulary import END_ID


@torch.inference_mode()
def greedy(
    model: Llama, prompts: Sequence[Sequence[int]], stops: frozenset[int], max_tokens: int
) -> list[list[int]]:
    """One completion a prompt: to the first token of `stops` or the end token, or `max_tokens` long."""
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    longest = int(lengths.max())
    cache = _empty_cache(model, len(prompts), longest + max_tokens)
    tokens = torch.full((len(prompts), longest), END_ID)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
    positions = torch.arange(longest).expand(len(prompts), -1)
    hidden = _forward(model, tokens, positions, cache)
    last = hidden[torch.arange(len(prompts)), lengths - 1]
    completions: list[list[int]] = [[] for _ in prompts]
    open_rows = list(range(len(prompts)))
    for step in range(max_tokens):
        chosen = model.logits(last).argmax(dim=-1)
        for row in open_rows:
            completions[row].append(int(chosen[row]))
        open_rows = [r for r in open_rows if completions[r][-1] not in stops and completions[r][-1] != END_ID]
        if not open_rows:
            break
        last = _forward(model, chosen[:, None], (lengths + step)[:, None], cache)[:, 0]
    return completions


def _forward(model: Llama, tokens: Tensor, positions: Tensor, cache: list[KeyValues]) -> Tensor:
    for layer in cache:
        layer.slots = positions
    # Keys of padding stand behind every real position until real ones overwrite them: they stay unseen.
    used = int(positions.max()) + 1
    mask = (torch.arange(used) <= positions[..., None]).unsqueeze(1)
    hidden: Tensor = model(tokens, positions, mask, cache)
    return hidden


def _empty_cache(model: Llama, rows: int, capacity: int) -> list[KeyValues]:
    shape = model.shape
    size = (rows, shape.heads, capacity, shape.head_size)
    return [
        KeyValues(torch.zeros(size), torch.zeros(size), torch.zeros((rows, 1), dtype=torch.long))
        for _ in range(shape.layers)
    ]
