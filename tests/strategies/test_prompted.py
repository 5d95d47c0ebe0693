"""The markup by example, and the grammars that hold a model to it."""

from __future__ import annotations

import pytest

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import DIALECTS, NPR, Dialect
from weaver_sdk.markup.answer import extract_answer
from weaver_sdk.markup.well_formed import check_well_formed
from weaver_sdk.strategies.grammars import joined_grammar, opening_grammar, plain_grammar, thread_grammar
from weaver_sdk.strategies.prompted import (
    SEEDED_THREADWEAVER,
    PromptedStrategy,
    seeded,
    system_prompt,
)
from weaver_sdk.strategies.worked import EXAMPLES

PROMPTED = PromptedStrategy()
every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())


@every_dialect
def test_every_example_is_well_formed_in_every_dialect_and_holds_its_answer(dialect: Dialect) -> None:
    for example in EXAMPLES:
        written = example.trajectory(seeded(dialect))
        check_well_formed(written, seeded(dialect))
        assert extract_answer(written, seeded(dialect)) == example.answer


def test_the_examples_show_forks_and_plain_answers() -> None:
    assert {bool(example.threads) for example in EXAMPLES} == {True, False}


def test_an_example_without_markup_tells_the_same() -> None:
    [example] = [example for example in EXAMPLES if example.question == "Compute 12*3 + 5*7"]
    assert example.plain() == (
        "The two products do not need each other.\n12*3: 12*3 = 36\n5*7: 5*7 = 35\n"
        "So 36 + 35 = 71\n\\boxed{71}"
    )


def test_a_thread_is_seeded_with_its_outline() -> None:
    assert SEEDED_THREADWEAVER.seed == "<Thread>\n{label}: {outline}:"
    assert SEEDED_THREADWEAVER.instruction == ""


CHAT = [
    {"role": "user", "content": "First?"},
    {"role": "assistant", "content": "\\boxed{1}"},
    {"role": "user", "content": "Second?"},
]


def test_the_raw_prompt_ends_with_the_question_and_stops_before_the_next() -> None:
    prompt = PROMPTED.prompt(CHAT)
    assert prompt.startswith("Question: ")
    assert prompt.endswith("\n\nQuestion: First?\n\\boxed{1}\n\nQuestion: Second?\n")
    assert PROMPTED.stop == ("\nQuestion:",)


ASKED_IN_FRENCH = [*CHAT[:2], {"role": "system", "content": "In French."}, CHAT[2]]


def test_the_users_system_prompt_stands_first_and_there_is_no_other_system_turn() -> None:
    strategy = PromptedStrategy(shown="turns")
    taught, plain = strategy.turns(ASKED_IN_FRENCH), strategy.plain_turns(ASKED_IN_FRENCH)
    assert taught[0]["content"] == f"In French.\n\n{system_prompt(strategy.dialect)}"
    assert plain[0] == {"role": "system", "content": "In French."}
    for turns in (taught, plain):
        assert [turn["role"] for turn in turns].count("system") == 1
        assert turns[-3:] == CHAT


def test_a_raw_prompt_begins_with_the_system_prompt() -> None:
    for prompt in (PROMPTED.prompt, PROMPTED.plain_prompt):
        assert prompt(ASKED_IN_FRENCH) == f"In French.\n\n{prompt(CHAT)}"


def test_a_raw_prompt_takes_text_alone() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "Third?"}]}]
    assert PROMPTED.prompt(asked).endswith("Question: Third?\n")
    with pytest.raises(ConfigurationError, match="an image"):
        PROMPTED.prompt([{"role": "user", "content": [image]}])
    assert PROMPTED.turns([{"role": "user", "content": [image]}])[-1]["content"] == [image]


def test_the_plain_prompt_holds_no_tag() -> None:
    prompt = PROMPTED.plain_prompt(CHAT)
    assert "<" not in prompt
    assert prompt.endswith("Question: Second?\n")


def test_as_turns_every_example_is_a_question_and_its_answer() -> None:
    strategy = PromptedStrategy(shown="turns")
    system, *examples = strategy.turns(CHAT)[: -len(CHAT)]
    assert system["role"] == "system"
    assert "<Parallel>" in system["content"]
    assert [turn["role"] for turn in examples] == ["user", "assistant"] * len(EXAMPLES)
    assert strategy.turns(CHAT)[-3:] == CHAT
    assert strategy.stop == ()


def test_the_plain_turns_are_the_same_without_markup() -> None:
    turns = PromptedStrategy(shown="turns").plain_turns(CHAT)
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * len(EXAMPLES) + [
        "user",
        "assistant",
        "user",
    ]
    assert not any("<" in turn["content"] for turn in turns)


def test_the_grammar_leaves_it_to_the_model_whether_to_fork() -> None:
    grammar = PROMPTED.grammar_for("open") or ""
    assert '"<think>\\n" line "\\n" (fork | answer)' in grammar
    assert "outline-1 outline-2 (outline-3)?" in grammar
    assert "outline-4" not in grammar


def test_each_phase_has_its_grammar() -> None:
    assert PROMPTED.grammar_for("thread") == thread_grammar(PROMPTED.dialect)
    assert PROMPTED.grammar_for("resume") == joined_grammar(PROMPTED.dialect)
    assert PROMPTED.grammar_for("plain") == plain_grammar()
    assert PromptedStrategy(shown="turns").grammar_for("plain") is None


def test_grammars_follow_the_dialect() -> None:
    opening = opening_grammar(NPR, 2)
    assert "<Parallel>" not in opening
    assert "think" not in opening
    assert '"</guideline>"' in opening
    assert '"\\n</step>"' in thread_grammar(NPR)
    assert '"</takeaway>\\n"' in joined_grammar(NPR)


def test_a_fork_has_two_threads_at_least() -> None:
    with pytest.raises(ConfigurationError, match="max_threads=1"):
        PromptedStrategy(max_threads=1)
