"""A model out of the GGUF that `export_gguf` wrote: the packaged weights need no checkpoint beside them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from training.export_gguf import gguf_name
from training.export_huggingface import llama_weights, load_llama_weights
from training.model import Llama, Shape


def read_gguf(path: Path) -> Llama:
    """The model of the file `path`, in evaluation mode; its matrices have the 16 bits that the file holds.

    Raises:
        ValueError: the file is no GGUF, or not one by `export_gguf`.
    """
    reader = gguf.GGUFReader(path)
    model = Llama(_shape(reader))
    stored = {tensor.name: torch.from_numpy(np.array(tensor.data, np.float32)) for tensor in reader.tensors}
    names = {theirs: gguf_name(theirs) for theirs in llama_weights(model)}
    if set(names.values()) != set(stored):
        raise ValueError(f"{path} holds other weights than those of a packaged model")
    weights = {theirs: stored[name] for theirs, name in names.items()}
    for theirs, weight in weights.items():
        if theirs.endswith(("q_proj.weight", "k_proj.weight")):
            weights[theirs] = halves(weight, model.shape.heads)
    load_llama_weights(model, weights)
    return model.eval()


def halves(weight: Tensor, heads: int) -> Tensor:
    """Rows in the order of Hugging Face's rotary positions: what `export_gguf.interleaved` did, undone."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _shape(reader: gguf.GGUFReader) -> Shape:
    def value(key: str) -> float:
        field = reader.get_field(f"llama.{key}")
        if field is None:
            raise ValueError(f"the file does not say its llama.{key}")
        return float(str(np.float32(field.contents())))  # 1e-05 as it was before 32 bits made it 9.99e-06

    return Shape(
        vocabulary=int(value("vocab_size")),
        hidden=int(value("embedding_length")),
        layers=int(value("block_count")),
        heads=int(value("attention.head_count")),
        inner=int(value("feed_forward_length")),
        context=int(value("context_length")),
        rope_base=value("rope.freq_base"),
        norm_epsilon=value("attention.layer_norm_rms_epsilon"),
    )
