"""A small Llama (RMSNorm, rotary positions, SwiGLU, tied embeddings) in plain torch.

Weights and names map one to one onto `LlamaForCausalLM` and onto llama.cpp's `llama` architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import vocabulary


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; `hidden` must be a multiple of twice `heads`."""

    vocabulary: int = vocabulary.SIZE
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 384
    context: int = 4096
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


class Llama(nn.Module):
    """Token ids and positions in, hidden states out; `logits` turns hidden states into scores."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        cosine, sine = rotary_table(shape)
        self.cosine: Tensor
        self.sine: Tensor
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        self._initialise()

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None, cache: list[KeyValues] | None = None
    ) -> Tensor:
        """Shapes: tokens and positions (batch, N), mask (batch, 1, N, keys) or None for causal.

        With a `cache` (one entry a layer) the new keys are written into it, and the mask says how many of its
        slots are attended to.
        """
        hidden = self.embedding(tokens)
        rotary = (self.cosine[positions].unsqueeze(1), self.sine[positions].unsqueeze(1))
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, rotary, mask, None if cache is None else cache[layer])
        normed: Tensor = self.norm(hidden)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.embedding.weight)

    def _initialise(self) -> None:
        nn.init.normal_(self.embedding.weight, std=0.02)
        for name, weight in self.blocks.named_parameters():
            if weight.ndim == 2:
                last = name.endswith(("attention_out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * self.shape.layers) ** 0.5 if last else 0.02)


@dataclass
class KeyValues:
    """Keys and values of one layer, (batch, heads, capacity, head size); `slots` says where to write next."""

    keys: Tensor
    values: Tensor
    slots: Tensor


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head_size = shape.heads, shape.head_size
        self.attention_norm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.query_key_value = nn.Linear(shape.hidden, 3 * shape.hidden, bias=False)
        self.attention_out = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.inner_norm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.gate_up = nn.Linear(shape.hidden, 2 * shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(
        self, hidden: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: KeyValues | None
    ) -> Tensor:
        hidden = hidden + self._attend(self.attention_norm(hidden), rotary, mask, cache)
        gate, up = self.gate_up(self.inner_norm(hidden)).chunk(2, dim=-1)
        inner: Tensor = self.down(functional.silu(gate) * up)
        return hidden + inner

    def _attend(
        self, hidden: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: KeyValues | None
    ) -> Tensor:
        batch, length, width = hidden.shape
        split = self.query_key_value(hidden).view(batch, length, 3, self.heads, self.head_size)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        query, key = rotated(query, rotary), rotated(key, rotary)
        if cache is not None and mask is not None:
            rows = torch.arange(batch)[:, None]
            cache.keys[rows, :, cache.slots] = key.transpose(1, 2)
            cache.values[rows, :, cache.slots] = value.transpose(1, 2)
            key, value = cache.keys[:, :, : mask.shape[-1]], cache.values[:, :, : mask.shape[-1]]
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None
        )
        out: Tensor = self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


def rotated(states: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions on the last dimension, first half against second half, as Hugging Face does it."""
    cosine, sine = rotary
    left, right = states.chunk(2, dim=-1)
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)


def rotary_table(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines, (context, head size / 2) each."""
    half = shape.head_size // 2
    frequencies = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(shape.context, dtype=torch.float64)[:, None] * frequencies
    return angles.cos().float(), angles.sin().float()
