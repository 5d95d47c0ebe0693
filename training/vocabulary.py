"""One token a byte, and one a tag: a vocabulary that reads any text and leaves no merge to chance.

Text that is cut at a tag and joined again always gives the same tokens, which a BPE vocabulary does not
promise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

INSTRUCTION = "Let's think step by step and output the final answer within \\boxed{}."

# Control tokens: read from the template, never printed by a server.
END, USER, ASSISTANT = "<|end|>", "<|user|>", "<|assistant|>"
CONTROL = (END, USER, ASSISTANT)

TAGS = tuple(
    f"<{slash}{name}>"
    for name in ("think", "Parallel", "Outlines", "Outline", "Thread")
    for slash in ("", "/")
)
# Printed as text, so that a stop string fires on them. The last two are whole sentences or openings that
# would otherwise cost a token a letter.
PRINTED = (*TAGS, INSTRUCTION, "\\boxed{")

TOKENS: tuple[str, ...] = (*CONTROL, *PRINTED)
FIRST_WORD = 256  # ids below are bytes
SIZE = FIRST_WORD + len(TOKENS)

_IDS = {token: FIRST_WORD + i for i, token in enumerate(TOKENS)}
_SPLIT = re.compile("(" + "|".join(re.escape(t) for t in sorted(TOKENS, key=len, reverse=True)) + ")")

END_ID = _IDS[END]


def encode(text: str) -> list[int]:
    """Token ids of `text`; control tokens and tags written out in it become single tokens."""
    ids: list[int] = []
    for part in _SPLIT.split(text):
        word = _IDS.get(part)
        if word is None:
            ids.extend(part.encode())
        else:
            ids.append(word)
    return ids


def decode(ids: Sequence[int]) -> str:
    """The text of `ids`; bytes that are no UTF-8 become the replacement character."""
    out = bytearray()
    for token in ids:
        out.extend(bytes([token]) if token < FIRST_WORD else TOKENS[token - FIRST_WORD].encode())
    return out.decode(errors="replace")


def prompt(question: str) -> str:
    """What the chat template makes of a question: the model goes on with `<think>` by itself."""
    return f"{USER}{question}\n{INSTRUCTION}{ASSISTANT}"


# The same in Jinja, for the tokenizer of the Hugging Face folder and for the GGUF.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
