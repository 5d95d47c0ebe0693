"""Conversations as data: what a user gave is checked, kept as it was, and has one system turn in front."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.messages import (
    Message,
    conversation,
    merge_system,
    question_of,
    readable,
    text_of,
    text_turn,
    transcript,
    with_text_after,
)

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"}

said = st.text().filter(str.strip)
tricky = st.one_of(
    said, st.sampled_from(["{0} {problem} %s", "<Thread>\n1:", "</think>\\boxed{4}", "<|im_end|>", "\r\nQ\n"])
)


def user(content: Any) -> Message:
    return {"role": "user", "content": content}


def system(content: Any, role: str = "system") -> Message:
    return {"role": role, "content": content}


def part(text: str) -> Message:
    return {"type": "text", "text": text}


@given(tricky)
def test_a_text_is_one_turn_and_passes_unchanged(problem: str) -> None:
    assert conversation(problem) == (user(problem),)
    assert conversation([user(problem)]) == (user(problem),)
    assert conversation([user([part(problem), IMAGE])]) == (user([part(problem), IMAGE]),)
    assert text_of(problem) == text_of([part(problem)]) == problem
    assert question_of(conversation(problem)) == problem


@given(tricky, tricky, tricky)
def test_no_text_is_interpreted_when_others_are_put_beside_it(system: str, problem: str, added: str) -> None:
    merged = merge_system(conversation(problem, system=system), added)
    assert merged == [{"role": "system", "content": f"{system}\n\n{added}"}, user(problem)]
    assert with_text_after(merged, added, "\n")[-1] == user(f"{problem}\n{added}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
parts = st.one_of(
    st.builds(part, said),
    st.dictionaries(st.text(), json_values).map(lambda more: {**more, "type": "image_url"}),
)
turns = st.builds(
    lambda role, content, more: {**more, "role": role, "content": content},
    st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    said | st.lists(parts, min_size=1, max_size=3),
    st.dictionaries(st.text(), json_values, max_size=2),
)


@given(st.lists(turns, max_size=4), said, st.none() | said)
def test_a_conversation_goes_through_json_and_is_then_the_same(
    earlier: list[Message], problem: str, system: str | None
) -> None:
    checked = conversation([*earlier, user(problem)], system=system)
    assert tuple(json.loads(json.dumps(checked))) == checked
    assert conversation(checked) == checked
    assert [turn["role"] for turn in checked[1:]].count("system") == 0
    assert checked[-1] == user(problem)
    transcript(checked)


def test_what_is_given_is_copied() -> None:
    content = [part("Q")]
    checked = conversation([user(content)])
    content.append(IMAGE)
    assert checked == (user([part("Q")]),)


def test_tuples_become_lists_as_json_has_them() -> None:
    assert conversation((user((part("Q"), IMAGE)),)) == (user([part("Q"), IMAGE]),)


def test_names_and_calls_of_tools_stay() -> None:
    asked = [{**user("How warm is it?"), "name": "ann"}, CALL, RESULT, user("And tomorrow?")]
    assert list(conversation(asked)) == asked
    assert list(conversation("And tomorrow?", history=asked[:-1])) == asked


def test_an_image_alone_is_a_question() -> None:
    assert conversation([user([IMAGE])]) == (user([IMAGE]),)


def test_the_system_prompt_stands_first_whichever_way_it_was_given() -> None:
    history = [user("1"), {"role": "assistant", "content": "2"}, system("Be brief.")]
    expected = (system("In French.\n\nBe brief."), *history[:2], user("Q"))
    assert conversation("Q", system="In French.", history=history) == expected
    assert conversation([*history, user("Q")], system="In French.") == expected
    assert conversation("Q", system=" \n") == (user("Q"),)


def test_a_system_prompt_that_stands_there_already_is_not_put_there_twice() -> None:
    first = conversation("1", system="In French.", history=[system("Be brief.")])
    history = [*first, {"role": "assistant", "content": "2"}]
    assert conversation("Q", system="In French.", history=history)[0] == first[0]
    assert conversation("Q", system="In", history=history)[0] == system("In\n\nIn French.\n\nBe brief.")


def test_ours_follows_the_users_own_system_prompt() -> None:
    asked = conversation("Q", system="In French.")
    assert merge_system(asked, "Plan.", "", "Be brief.")[0] == system("In French.\n\nPlan.\n\nBe brief.")
    assert merge_system([user("Q")], "Plan.") == [system("Plan."), user("Q")]
    assert merge_system([user("Q")]) == [user("Q")]


def test_a_developers_turn_keeps_its_name_where_it_is_the_only_word_for_it() -> None:
    asked = [system("In French.", "developer"), user("Q")]
    assert list(conversation(asked)) == asked
    assert merge_system(asked, "Plan.")[0] == system("In French.\n\nPlan.", "developer")
    assert conversation(asked, system="Be brief.")[0] == system("Be brief.\n\nIn French.")


def test_system_prompts_of_parts_are_merged_as_parts() -> None:
    cached = {**part("Long."), "cache_control": {"type": "ephemeral"}}
    asked = [system([cached]), user("Q")]
    assert merge_system(asked) == asked
    assert merge_system(asked, "Plan.")[0] == system([cached, part("\n\nPlan.")])
    assert conversation(asked, system="First.")[0] == system(
        [part("First."), {**cached, "text": "\n\nLong."}]
    )


def test_a_text_is_added_to_the_question_be_it_a_text_or_parts() -> None:
    assert with_text_after([user("Q")], "Part: a") == [user("Q\n\nPart: a")]
    asked = [user("1"), user([part("Q"), IMAGE])]
    assert with_text_after(asked, "Part: a") == [user("1"), user([part("Q"), IMAGE, part("\n\nPart: a")])]
    assert with_text_after(asked, "") == asked
    assert asked[1] == user([part("Q"), IMAGE])  # what was given is not changed
    with pytest.raises(ConfigurationError, match="no user message"):
        with_text_after([system("S")], "x")


@given(st.lists(said, min_size=1, max_size=4), said, st.sampled_from(["\n\n", "\n", " "]))
def test_added_to_parts_it_reads_as_added_to_their_text(texts: list[str], added: str, gap: str) -> None:
    asked = [user([part(text) for text in texts])]
    [whole] = with_text_after(asked, added, gap)
    assert text_of(whole["content"]) == f"{text_of(asked[0]['content'])}{gap}{added}"


@given(st.lists(st.text(), max_size=5))
def test_the_text_of_parts_is_theirs_with_nothing_but_newlines_between(texts: list[str]) -> None:
    assert text_of([part(text) for text in texts]).replace("\n", "") == "".join(texts).replace("\n", "")


def test_two_parts_do_not_run_into_each_other() -> None:
    assert text_of([part("Read this."), part("Be brief."), part("\n\nPart: a")]) == (
        "Read this.\nBe brief.\n\nPart: a"
    )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([part("Q"), IMAGE], r"an image \(image_url\)"),
        ([AUDIO], r"audio \(input_audio\)"),
        ([{"type": "file", "file": {}}], r"a file \(file\)"),
        ([{"type": "hologram"}], r"a part \(hologram\)"),
        (["words"], r"a part \(str\)"),
    ],
)
def test_what_is_no_text_is_named_with_what_to_do(content: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named + r'.*take only text: use .*api="chat"'):
        text_of(content)


@pytest.mark.parametrize(
    ("turn", "complaint"),
    [
        (RESULT, r"role 'tool'.*api=\"chat\""),
        (CALL, r"calls tools.*api=\"chat\""),
        (
            {"role": "robot", "content": "x"},
            "role 'robot', but templates know only system, user and assistant",
        ),
        ({"role": "user"}, "has no content"),
    ],
)
def test_a_turn_that_no_template_can_write_is_refused(turn: Message, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        text_turn(turn)


def test_to_a_template_a_developer_is_the_system() -> None:
    assert text_turn(system("S", "developer")) == ("system", "S")


def test_a_conversation_is_shown_with_what_is_no_text_by_its_kind() -> None:
    asked = [system("S"), CALL, user([part("What is this?"), IMAGE])]
    assert transcript(asked) == "S\n\nWhat is this?\n[image_url]\n"
    assert question_of(asked) == "What is this?\n[image_url]"
    assert question_of([system("S")]) == readable(None) == ""


class Turn:
    """What a client library returns."""

    def model_dump(self) -> None: ...


@pytest.mark.parametrize(
    ("problem", "complaint"),
    [
        ("", "the problem is empty: give the text"),
        (" \n", "the problem is empty"),
        ([user(" ")], "the problem is empty"),
        ([user([part(""), part(" ")])], "the problem is empty"),
        ([], "the conversation is empty: give at least one user message"),
        (user("Q"), "messages is a dict, not a list of messages: put a single message into a list"),
        (b"Q", "messages is a bytes, not a list of messages"),
        (None, "messages is a NoneType"),
        (
            [user("Q"), {"role": "assistant", "content": "A"}],
            "the last message must be the user's.*'assistant'",
        ),
        ([user("Q"), CALL, RESULT], "the last message must be the user's"),
        ([system("S")], "the last message must be the user's"),
        ([{"role": "robot", "content": "x"}], r"messages\[0\] has the role 'robot': use one of system, dev"),
        ([{"content": "x"}], r"messages\[0\] has the role None"),
        ([user("Q"), "Q"], r"messages\[1\] is a str: give a dict with role and content$"),
        ([Turn()], r"messages\[0\] is a Turn: .*model_dump"),
        ([user(None)], r"messages\[0\] \(user\) has no content"),
        ([{"role": "assistant", "content": None}, user("Q")], r"messages\[0\] \(assistant\) has no content"),
        ([user([])], r"the content of messages\[0\] is empty"),
        ([user(7)], r"the content of messages\[0\] is a int: give a text, or a list of parts"),
        ([user({"type": "text"})], r"the content of messages\[0\] is a dict"),
        ([user(["Q"])], r"messages\[0\], part 0 is not a content part: give a dict with a type"),
        ([user([IMAGE, {"text": "Q"}])], r"messages\[0\], part 1 is not a content part"),
        (
            [user([{"type": "text", "text": None}])],
            r'messages\[0\], part 0 is of type "text" and has no text',
        ),
        ([user([{"type": "file", "file": b"x"}])], r"messages\[0\] holds a bytes: .*base64"),
    ],
)
def test_what_is_no_conversation_is_refused_with_what_to_do(problem: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        conversation(problem)


def test_earlier_turns_are_given_in_one_way() -> None:
    with pytest.raises(ConfigurationError, match="among the messages or as history="):
        conversation([user("Q")], history=[user("1")])
    with pytest.raises(ConfigurationError, match=r"history\[0\] \(user\) has no content"):
        conversation("Q", history=[user(None)])
    with pytest.raises(ConfigurationError, match="history is a dict"):
        conversation("Q", history=user("1"))  # type: ignore[arg-type]


def test_a_system_prompt_is_a_text() -> None:
    with pytest.raises(ConfigurationError, match="system=list: give the system prompt as a text"):
        conversation("Q", system=[part("S")])  # type: ignore[arg-type]


def test_an_error_quotes_no_content() -> None:
    with pytest.raises(ConfigurationError) as caught:
        conversation([user([part("my secret"), {"type": "text", "my secret": 1}])])
    assert "secret" not in str(caught.value)
