"""A model as one GGUF file, for llama.cpp."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from torch import Tensor

from training import vocabulary
from training.export_huggingface import byte_characters, llama_weights
from training.model import Llama

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def export_gguf(model: Llama, path: Path, name: str) -> None:
    """Writes `path`: matrices in 16 bits, norms in 32; no beginning-of-sequence token is ever added."""
    shape = model.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer)
    for theirs, weight in llama_weights(model).items():
        if theirs.endswith(("q_proj.weight", "k_proj.weight")):
            weight = interleaved(weight, shape.heads)
        array = weight.numpy()
        writer.add_tensor(gguf_name(theirs), array.astype(np.float16) if array.ndim == 2 else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(weight: Tensor, heads: int) -> Tensor:
    """Rows in the order of llama.cpp's rotary positions: pairs are neighbours, not half a head apart."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def gguf_name(theirs: str) -> str:
    """llama.cpp's name for a weight of `LlamaForCausalLM`."""
    if theirs == "model.embed_tokens.weight":
        return "token_embd.weight"
    if theirs == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, rest = theirs.split(".", 3)
    return f"blk.{layer}.{_NAMES[rest.removesuffix('.weight')]}.weight"


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    # llama.cpp prints nothing for control tokens, so that a stop string made of one would never fire: the
    # tags are user-defined tokens.
    kinds = [gguf.TokenType.NORMAL] * vocabulary.FIRST_WORD + [
        gguf.TokenType.CONTROL if token in vocabulary.CONTROL else gguf.TokenType.USER_DEFINED
        for token in vocabulary.TOKENS
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*byte_characters(), *vocabulary.TOKENS])
    writer.add_token_types(kinds)
    # llama.cpp wants a list of merges that is not empty: this one joins two bytes that UTF-8 never has.
    writer.add_token_merges([f"{byte_characters()[0xFE]} {byte_characters()[0xFF]}"])
    writer.add_eos_token_id(vocabulary.END_ID)
    writer.add_pad_token_id(vocabulary.END_ID)
    writer.add_add_bos_token(False)
    writer.add_chat_template(vocabulary.CHAT_TEMPLATE)
