"""From a problem to a prompt: the problem is data and arrives as it was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.markup.trajectories import PRODUCTS
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import (
    MULTIVERSE,
    NPR,
    TEMPLATES,
    THREADWEAVER,
    Messages,
    Template,
    build_problem_messages,
    render,
    template_for_model,
)

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CHAT = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "Q2"},
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "chatml",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
            "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llama3",
            "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("mistral", "[INST] S\n\nQ1[/INST] A1</s>[INST] Q2[/INST]"),
        ("mistral-tekken", "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]Q1[/INST]A1</s>[INST]Q2[/INST]"),
        (
            "gemma",
            "<start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
            "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            "phi3",
            "<|system|>\nS<|end|>\n<|user|>\nQ1<|end|>\n<|assistant|>\nA1<|end|>\n<|user|>\nQ2<|end|>\n<|assistant|>\n",
        ),
        (
            "phi4",
            "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>Q1<|im_end|>"
            "<|im_start|>assistant<|im_sep|>A1<|im_end|><|im_start|>user<|im_sep|>Q2<|im_end|>"
            "<|im_start|>assistant<|im_sep|>",
        ),
        (
            "phi4-mini",
            "<|system|>S<|end|><|user|>Q1<|end|><|assistant|>A1<|end|><|user|>Q2<|end|><|assistant|>",
        ),
        ("deepseek-r1", "S<｜User｜>Q1<｜Assistant｜>A1<｜end▁of▁sentence｜><｜User｜>Q2<｜Assistant｜>"),
        (
            "zephyr",
            "<|system|>\nS</s>\n<|user|>\nQ1</s>\n<|assistant|>\nA1</s>\n<|user|>\nQ2</s>\n<|assistant|>\n",
        ),
        ("raw", "S\nQ1\nA1\nQ2\n"),
    ],
)
def test_a_chat_as_each_family_writes_it(name: str, expected: str) -> None:
    assert render(CHAT, name) == expected
    assert render(CHAT, TEMPLATES[name]) == expected


def test_every_template_is_known_by_its_name() -> None:
    assert all(template.name == name for name, template in TEMPLATES.items())


@given(st.one_of(st.text().filter(str.strip), st.just(PRODUCTS), st.just("{0} {problem} %s <|im_end|>")))
def test_the_problem_passes_through_unchanged(problem: str) -> None:
    messages = build_problem_messages(problem, THREADWEAVER)
    assert messages == [{"role": "user", "content": f"{problem}\n{THREADWEAVER.instruction}"}]
    for template in TEMPLATES.values():
        before, after = template.user
        content = f"{problem}\n{THREADWEAVER.instruction}"
        assert render(messages, template) == before + content + after + template.answer


def test_the_instruction_of_the_family_follows_the_problem() -> None:
    assert build_problem_messages("Q?", MULTIVERSE)[-1]["content"].startswith("Q? Think step by step")
    assert build_problem_messages("Q?", NPR)[-1]["content"] == "Q?"


def test_a_system_prompt_and_earlier_turns_come_first() -> None:
    assert build_problem_messages("Q2", NPR, system="S", history=CHAT[1:3]) == CHAT


def test_a_conversation_that_ends_with_a_problem_is_put_as_it_is() -> None:
    parts = [{"type": "text", "text": "What is this?"}, IMAGE]
    [*earlier, last] = build_problem_messages([*CHAT[:3], {"role": "user", "content": parts}], THREADWEAVER)
    assert earlier == CHAT[:3]
    asked = {"type": "text", "text": f"\n{THREADWEAVER.instruction}"}
    assert last == {"role": "user", "content": [*parts, asked]}


@pytest.mark.parametrize("name", TEMPLATES)
def test_text_parts_are_written_as_their_text_and_a_developer_as_the_system(name: str) -> None:
    def in_parts(text: str) -> list[dict[str, str]]:
        return [{"type": "text", "text": text}]

    chat = [{**turn, "content": in_parts(turn["content"])} for turn in CHAT]
    chat[0]["role"] = "developer"
    assert render(chat, name) == render(CHAT, name)


def test_a_callable_does_all_of_it() -> None:
    def shout(messages: Messages) -> str:
        return str(messages[-1]["content"]).upper()

    assert render(CHAT, shout) == "Q2"


def test_a_template_of_ones_own() -> None:
    own = Template(name="own", system=None, user=("Q: ", "\n"), assistant=("A: ", "\n"), answer="A:")
    assert render(CHAT, own) == "Q: S\n\nQ1\nA: A1\nQ: Q2\nA:"


@pytest.mark.parametrize(
    ("messages", "template", "complaint"),
    [
        (CHAT, "chatlm", "unknown template 'chatlm': use one of chatml"),
        ([], "chatml", "the last message must be the user's"),
        (CHAT[:3], "chatml", "the last message must be the user's"),
        ([{"role": "tool", "content": ""}, *CHAT], "chatml", "role 'tool'"),
        ([{"role": "user"}, *CHAT], "chatml", "no content"),
        ([*CHAT[:3], {"role": "user", "content": [IMAGE]}], "raw", r"an image .*take only text"),
    ],
)
def test_what_cannot_be_written_is_refused(messages: Messages, template: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        render(messages, template)


@pytest.mark.parametrize(
    ("model", "template"),
    [
        ("Qwen/Qwen3-8B", "chatml"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "chatml"),
        ("/models/smollm2-135m.gguf", "chatml"),
        ("Multiverse4FM/Multiverse-32B", "chatml"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek-r1"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral"),
        ("mistralai/Mistral-Small-24B-Instruct-2501", "mistral-tekken"),
        ("google/gemma-3-1b-it", "gemma"),
        ("microsoft/Phi-3.5-mini-instruct", "phi3"),
        ("microsoft/phi-4", "phi4"),
        ("microsoft/Phi-4-mini-reasoning", "phi4-mini"),
        ("HuggingFaceH4/zephyr-7b-beta", "zephyr"),
        ("gpt-4.1", None),
        ("", None),
    ],
)
def test_the_template_is_known_from_the_model(model: str, template: str | None) -> None:
    assert template_for_model(model) == template
    assert template is None or template in TEMPLATES
