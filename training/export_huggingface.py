"""A model as a Hugging Face folder: config, weights, tokenizer with the tags as special tokens, template."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training import vocabulary
from training.model import Llama


def export_huggingface(model: Llama, folder: Path) -> None:
    """Writes `folder`, which transformers, vLLM and SGLang load as a `LlamaForCausalLM`."""
    twin = LlamaForCausalLM(config(model))
    missing, unexpected = twin.load_state_dict(llama_weights(model), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"the weights do not fit: {missing} missing, {unexpected} unexpected")
    twin.tie_weights()
    twin.save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def config(model: Llama) -> LlamaConfig:
    shape = model.shape
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=shape.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=vocabulary.END_ID,
        pad_token_id=vocabulary.END_ID,
    )


def llama_weights(model: Llama) -> dict[str, Tensor]:
    """The weights under the names of `LlamaForCausalLM`, with the joined matrices taken apart."""
    state = {name: weight.detach().float() for name, weight in model.state_dict().items()}
    weights = {
        "model.embed_tokens.weight": state["embedding.weight"],
        "model.norm.weight": state["norm.weight"],
    }
    for layer in range(model.shape.layers):
        here, there = f"blocks.{layer}", f"model.layers.{layer}"
        query, key, value = state[f"{here}.query_key_value.weight"].chunk(3)
        gate, up = state[f"{here}.gate_up.weight"].chunk(2)
        weights |= {
            f"{there}.self_attn.q_proj.weight": query,
            f"{there}.self_attn.k_proj.weight": key,
            f"{there}.self_attn.v_proj.weight": value,
            f"{there}.self_attn.o_proj.weight": state[f"{here}.attention_out.weight"],
            f"{there}.mlp.gate_proj.weight": gate,
            f"{there}.mlp.up_proj.weight": up,
            f"{there}.mlp.down_proj.weight": state[f"{here}.down.weight"],
            f"{there}.input_layernorm.weight": state[f"{here}.attention_norm.weight"],
            f"{there}.post_attention_layernorm.weight": state[f"{here}.inner_norm.weight"],
        }
    return {name: weight.to(torch.float32).contiguous() for name, weight in weights.items()}


def load_llama_weights(model: Llama, weights: dict[str, Tensor]) -> None:
    """Puts `weights`, named as `llama_weights` names them, into `model`."""
    state = {
        "embedding.weight": weights["model.embed_tokens.weight"],
        "norm.weight": weights["model.norm.weight"],
    }
    for layer in range(model.shape.layers):
        here, there = f"blocks.{layer}", f"model.layers.{layer}"
        joined = [weights[f"{there}.self_attn.{part}_proj.weight"] for part in "qkv"]
        state |= {
            f"{here}.query_key_value.weight": torch.cat(joined),
            f"{here}.gate_up.weight": torch.cat(
                [weights[f"{there}.mlp.{part}_proj.weight"] for part in ("gate", "up")]
            ),
            f"{here}.attention_out.weight": weights[f"{there}.self_attn.o_proj.weight"],
            f"{here}.down.weight": weights[f"{there}.mlp.down_proj.weight"],
            f"{here}.attention_norm.weight": weights[f"{there}.input_layernorm.weight"],
            f"{here}.inner_norm.weight": weights[f"{there}.post_attention_layernorm.weight"],
        }
    model.load_state_dict(state)


def byte_characters() -> list[str]:
    """The printable character that stands for each byte in byte-level vocabularies, in the order of bytes."""
    printable = {
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    }
    moved = (chr(256 + i) for i in range(256))
    return [chr(byte) if byte in printable else next(moved) for byte in range(256)]


def tokenizer() -> PreTrainedTokenizerFast:
    """The vocabulary of `training.vocabulary` as a byte-level BPE without merges."""
    plain = Tokenizer(models.BPE({character: i for i, character in enumerate(byte_characters())}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    plain.decoder = decoders.ByteLevel()
    special = {*vocabulary.CONTROL, *vocabulary.TAGS}
    plain.add_tokens([AddedToken(t, normalized=False, special=t in special) for t in vocabulary.TOKENS])
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=plain,
        eos_token=vocabulary.END,
        pad_token=vocabulary.END,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = vocabulary.CHAT_TEMPLATE
    return wrapped
