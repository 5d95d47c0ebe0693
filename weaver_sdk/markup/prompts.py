"""From a problem to the prompt: chat templates of the common model families, as data.

The problem is data. It passes through unchanged, whatever braces or tags it holds; nothing here reads it.
A server parses special tokens anywhere in a prompt, also those that a user typed. Escaping them would change
the text, so that is left to the caller.

The beginning-of-sequence token (`<s>`, `<bos>`, `<|begin_of_text|>`) is left to the server, which adds it to
every prompt: written here, it would be there twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup.dialect import Dialect
from weaver_sdk.messages import Message, Messages, conversation, text_turn, with_text_after

Around = tuple[str, str]
"""The text before a turn, and the text after it."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """How a model family writes a chat as text."""

    name: str
    user: Around
    assistant: Around
    """Around an earlier turn of the assistant."""
    system: Around | None
    """`None` if the family has no such turn: the system text then precedes the first user turn's."""
    answer: str
    """Follows the last turn; the model continues from here."""


def _named(template: Template, *more: Template) -> dict[str, Template]:
    return {each.name: each for each in (template, *more)}


TEMPLATES: dict[str, Template] = _named(
    Template(  # Qwen, SmolLM, Hermes, Yi
        name="chatml",
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
        answer="<|im_start|>assistant\n",
    ),
    Template(
        name="llama3",
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant=("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        answer="<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    Template(  # 7B v0.3, Mixtral
        name="mistral",
        system=None,
        user=("[INST] ", "[/INST]"),
        assistant=(" ", "</s>"),
        answer="",
    ),
    Template(  # Mistral Small, Ministral, Magistral, Devstral
        name="mistral-tekken",
        system=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        user=("[INST]", "[/INST]"),
        assistant=("", "</s>"),
        answer="",
    ),
    Template(
        name="gemma",
        system=None,
        user=("<start_of_turn>user\n", "<end_of_turn>\n"),
        assistant=("<start_of_turn>model\n", "<end_of_turn>\n"),
        answer="<start_of_turn>model\n",
    ),
    Template(
        name="phi3",
        system=("<|system|>\n", "<|end|>\n"),
        user=("<|user|>\n", "<|end|>\n"),
        assistant=("<|assistant|>\n", "<|end|>\n"),
        answer="<|assistant|>\n",
    ),
    Template(
        name="phi4",
        system=("<|im_start|>system<|im_sep|>", "<|im_end|>"),
        user=("<|im_start|>user<|im_sep|>", "<|im_end|>"),
        assistant=("<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
        answer="<|im_start|>assistant<|im_sep|>",
    ),
    Template(
        name="phi4-mini",
        system=("<|system|>", "<|end|>"),
        user=("<|user|>", "<|end|>"),
        assistant=("<|assistant|>", "<|end|>"),
        answer="<|assistant|>",
    ),
    Template(  # the model writes <think> itself
        name="deepseek-r1",
        system=("", ""),
        user=("<｜User｜>", ""),
        assistant=("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
        answer="<｜Assistant｜>",
    ),
    Template(
        name="zephyr",
        system=("<|system|>\n", "</s>\n"),
        user=("<|user|>\n", "</s>\n"),
        assistant=("<|assistant|>\n", "</s>\n"),
        answer="<|assistant|>\n",
    ),
    Template(  # base models: only the texts, one per line
        name="raw",
        system=("", "\n"),
        user=("", "\n"),
        assistant=("", "\n"),
        answer="",
    ),
)
"""Every template by name."""

_FAMILIES: tuple[tuple[str, str], ...] = (
    # a distilled model has the template of its teacher, so the teacher's name comes first
    ("deepseek-r1", "deepseek-r1"),
    ("threadweaver", "chatml"),
    ("multiverse", "chatml"),
    ("npr-4b", "chatml"),
    ("smollm", "chatml"),
    ("hermes", "chatml"),
    ("qwen", "chatml"),
    ("qwq", "chatml"),
    ("llama-3", "llama3"),
    ("llama3", "llama3"),
    ("mixtral", "mistral"),
    ("mistral-7b", "mistral"),
    ("mistral-small", "mistral-tekken"),
    ("mistral-nemo", "mistral-tekken"),
    ("ministral", "mistral-tekken"),
    ("magistral", "mistral-tekken"),
    ("devstral", "mistral-tekken"),
    ("gemma-2", "gemma"),
    ("gemma2", "gemma"),
    ("gemma-3", "gemma"),
    ("gemma3", "gemma"),
    ("phi-3", "phi3"),
    ("phi3", "phi3"),
    ("phi-4-mini", "phi4-mini"),
    ("phi4-mini", "phi4-mini"),
    ("phi-4", "phi4"),
    ("phi4", "phi4"),
    ("zephyr-7b", "zephyr"),
)
"""Part of a model's name -> its template; the first match counts."""


def template_for_model(name: str) -> str | None:
    """Return the name of the template for a model's name or path; `None` if the family is unknown."""
    low = name.lower()
    return next((template for part, template in _FAMILIES if part in low), None)


def build_problem_messages(
    problem: str | Messages, dialect: Dialect, system: str | None = None, history: Messages = ()
) -> list[Message]:
    """Return the messages that ask the model a problem, or a conversation that ends with one.

    The problem stands unchanged in the last turn, and the dialect's instruction follows it.
    `history` are earlier turns, oldest first; answers in it should come without their reasoning, as the chat
    templates of reasoning models expect.

    Raises:
        ConfigurationError: as `conversation` raises it.
    """
    gap = "" if dialect.instruction[:1].isspace() else "\n"
    return with_text_after(conversation(problem, system=system, history=history), dialect.instruction, gap)


def render(messages: Messages, template: str | Template | Callable[[Messages], str]) -> str:
    """Return the chat as a prompt for the model to continue.

    Args:
        messages: the turns, oldest first; the last is the user's.
        template: a name in `TEMPLATES`, a template, or a callable that renders the messages.

    Raises:
        ConfigurationError: no such template, or turns that no template can write, such as one with an image.
    """
    if isinstance(template, str):
        if template not in TEMPLATES:
            names = ", ".join(TEMPLATES)
            raise ConfigurationError(f"unknown template {template!r}: use one of {names}, or a callable")
        template = TEMPLATES[template]
    if not isinstance(template, Template):
        return template(messages)
    if not messages or messages[-1].get("role") != "user":
        raise ConfigurationError("the last message must be the user's: there is nothing to answer")
    return "".join(_turns(messages, template)) + template.answer


def _turns(messages: Messages, template: Template) -> list[str]:
    """Return each turn as text."""
    turns: list[str] = []
    waiting = ""  # system text of a family without a system turn
    for message in messages:
        role, content = text_turn(message)
        if role == "system" and template.system is None:
            waiting += content + "\n\n"
            continue
        if role == "user":
            content, waiting = waiting + content, ""
        around = {"system": template.system, "user": template.user, "assistant": template.assistant}[role]
        assert around is not None
        turns.append(around[0] + content + around[1])
    return turns
