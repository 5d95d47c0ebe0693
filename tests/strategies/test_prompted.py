"""The markup by example, and the grammars that hold a model to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.strategies.gbnf import matches
from weaver_sdk.backends.base import Capabilities, StructuralTag
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.findings import Draft
from weaver_sdk.markup import DIALECTS, Dialect
from weaver_sdk.markup.well_formed import check_well_formed
from weaver_sdk.strategies.grammars import PLACES, joined_grammar, opening_grammar, thread_grammar
from weaver_sdk.strategies.prompted import (
    SEEDED_THREADWEAVER,
    PromptedStrategy,
    seeded,
    system_prompt,
)
from weaver_sdk.strategies.strategy import HasBaseline
from weaver_sdk.strategies.structural import structural_tag
from weaver_sdk.strategies.worked import EXAMPLES, WorkedExample

PROMPTED = PromptedStrategy()
every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())


@every_dialect
def test_every_example_is_well_formed_in_every_dialect_and_holds_its_answer(dialect: Dialect) -> None:
    for example in EXAMPLES:
        written = example.trajectory(seeded(dialect))
        check_well_formed(written, seeded(dialect))
        strategy = PromptedStrategy(dialect=seeded(dialect))
        draft = Draft(text=written, prompt="", answer="", forks=1, finish="stop", mode="parallel")
        answer = strategy.read(draft).answer or ""
        if example.boxed or dialect.reasons_in_think:
            assert answer == example.answer
        else:  # no tag tells it from what is thought after the join
            assert answer.endswith(example.answer)


def test_the_examples_show_forks_and_plain_answers() -> None:
    assert {(bool(example.threads), example.boxed) for example in EXAMPLES} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }


def test_the_examples_show_that_parts_may_be_long() -> None:
    workings = [working for example in EXAMPLES for _, working in example.threads]
    assert any(working.count("\n") > 1 and "```" not in working for working in workings)
    assert any("```python\ndef " in working for working in workings)


def test_an_answer_that_is_text_holds_all_of_its_parts() -> None:
    for example in EXAMPLES:
        assert example.boxed or all(working.strip() in example.answer for _, working in example.threads)


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
    turns = strategy.turns(ASKED_IN_FRENCH)
    assert turns[0]["content"] == f"In French.\n\n{system_prompt(strategy.dialect)}"
    assert [turn["role"] for turn in turns].count("system") == 1
    assert turns[-3:] == CHAT


def test_a_raw_prompt_begins_with_the_system_prompt() -> None:
    assert PROMPTED.prompt(ASKED_IN_FRENCH) == f"In French.\n\n{PROMPTED.prompt(CHAT)}"


def test_a_raw_prompt_takes_text_alone() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "Third?"}]}]
    assert PROMPTED.prompt(asked).endswith("Question: Third?\n")
    with pytest.raises(ConfigurationError, match="an image"):
        PROMPTED.prompt([{"role": "user", "content": [image]}])
    assert PROMPTED.turns([{"role": "user", "content": [image]}])[-1]["content"] == [image]


def test_as_turns_every_example_is_a_question_and_its_answer() -> None:
    strategy = PromptedStrategy(shown="turns")
    system, *examples = strategy.turns(CHAT)[: -len(CHAT)]
    assert system["role"] == "system"
    assert "<Parallel>" in system["content"]
    assert [turn["role"] for turn in examples] == ["user", "assistant"] * len(EXAMPLES)
    assert strategy.turns(CHAT)[-3:] == CHAT
    assert strategy.stop == ()


PROSE = "Two things, in several lines.\n\nif a < b and c > d: {x}\n<b>bold</b> <p"
CODE = "\n```python\ndef f(x):\n    return {x} if x < 10 else []\n```\n\nThat is all."


@every_dialect
def test_the_grammars_take_any_text_between_the_tags(dialect: Dialect) -> None:
    taught = seeded(dialect)
    fork = WorkedExample(
        question="",
        opening=PROSE,
        threads=tuple((f"Part {number}: is 2 < 3?", CODE) for number in range(1, 7)),
        conclusion=PROSE,
        answer=CODE.strip() * 20,
        boxed=False,
    )
    whole = fork.trajectory(taught)
    begun, _, rest = whole.partition(dialect.outlines[1])
    joined = rest[rest.rindex(dialect.thread[1]) :].removeprefix(dialect.thread[1] + dialect.after_threads)
    check_well_formed(whole, taught)
    assert matches(opening_grammar(taught, 6), begun + dialect.outlines[1])
    assert matches(joined_grammar(taught), joined)
    assert matches(thread_grammar(taught), f"{CODE}\n{dialect.thread[1]}")
    assert matches(opening_grammar(taught, 6), replace(fork, threads=()).trajectory(taught))


@every_dialect
def test_the_grammars_hold_a_model_to_the_tags(dialect: Dialect) -> None:
    thread, opening = thread_grammar(dialect), opening_grammar(dialect, 6)
    for tag in (tag for pair in dialect.tags().values() for tag in pair if tag != dialect.thread[1]):
        assert not matches(thread, f" some {tag} text{dialect.thread[1]}")
        assert not matches(thread, f" some {tag.upper()} text")
    assert not matches(opening, f"{dialect.think[0]}\n{dialect.thread[0]}")
    assert not matches(thread, f" \n{dialect.thread[1]}")


def test_a_thread_may_end_without_its_tag() -> None:
    assert matches(thread_grammar(PROMPTED.dialect), " as the model ends its sequence")


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_the_grammar_leaves_it_to_the_model_whether_to_fork_and_how_wide(count: int) -> None:
    outlines = "".join(f"<Outline>{number}: Part</Outline>\n" for number in range(1, count + 1))
    fork = f"<think>\nSo:\n<Parallel>\n<Outlines>\n{outlines}</Outlines>"
    assert matches(PROMPTED.grammar_for("open"), fork) == (2 <= count <= 6)
    assert matches(PROMPTED.grammar_for("open"), "<think>\nSo.\n</think>\nThe answer,\nin lines.")


def test_a_budget_of_fewer_threads_makes_a_narrower_grammar() -> None:
    able = Capabilities(grammar=True)
    assert PROMPTED.held_to("open", able, 4) == PromptedStrategy(max_threads=4).grammar_for("open")
    assert PROMPTED.held_to("open", able, 50) == PROMPTED.grammar_for("open")
    assert PROMPTED.held_to("open", able, 0) == PromptedStrategy(max_threads=2).grammar_for("open")


def test_each_place_has_its_grammar() -> None:
    assert PROMPTED.grammar_for("thread") == thread_grammar(PROMPTED.dialect)
    assert PROMPTED.grammar_for("resume") == joined_grammar(PROMPTED.dialect)
    assert PROMPTED.grammars(Capabilities(grammar=True), 6) == tuple(map(PROMPTED.grammar_for, PLACES))
    assert PROMPTED.grammars(Capabilities(), 6) == ()


@every_dialect
def test_where_a_server_takes_structural_tags_they_stand_for_the_grammars(dialect: Dialect) -> None:
    strategy = PromptedStrategy(dialect=seeded(dialect))
    for place in PLACES:
        held = strategy.held_to(place, KNOWN["vllm"], 6)
        expressed = dialect.reasons_in_think and dialect.conclusion is None
        assert isinstance(held, StructuralTag if expressed else str)


def test_a_structural_tag_fixes_the_tags_and_leaves_the_text_free() -> None:
    thread = structural_tag(PROMPTED.dialect, "thread", 6)
    assert thread is not None
    excluded = thread.format["excludes"]
    assert thread.format["type"] == "any_text"
    assert isinstance(excluded, list)
    assert "</Thread" not in excluded  # it is a stop string
    assert {"<Thread", "<Parallel", "</think"} <= set(excluded)
    opening = structural_tag(PROMPTED.dialect, "open", 6)
    assert opening is not None
    begin, text = opening.format["elements"]  # type: ignore[misc]  # its JSON is known
    assert begin == {"type": "const_string", "value": "<think>\n"}
    assert text["triggers"] == ["<Parallel>", "</think>"]
    fork, answer = text["tags"]
    assert (fork["begin"], fork["end"]) == ("<Parallel>\n<Outlines>\n", "</Outlines>")
    assert matches(fork["content"]["grammar"], "<Outline>1: A</Outline>\n<Outline>2: B < 3</Outline>\n")
    assert not matches(fork["content"]["grammar"], "<Outline>1: A</Outline>\n")
    assert (answer["begin"], answer["end"]) == ("</think>\n", "")


def test_the_baseline_is_the_bare_question() -> None:
    assert not isinstance(PROMPTED, HasBaseline)


def test_a_fork_has_two_threads_at_least() -> None:
    with pytest.raises(ConfigurationError, match="max_threads=1"):
        PromptedStrategy(max_threads=1)
