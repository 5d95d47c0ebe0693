"""Where a part begins and ends: no heading twice, no sentence or code cut, no walk into the next part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.strategies.part_watch import CHARACTERS_PER_WORD, PartWatch

WORDS = 8
PARAGRAPH = int(1.5 * WORDS * CHARACTERS_PER_WORD)


def read(*chunks: str, title: str = "Tea", others: tuple[str, ...] = ("Coffee",)) -> tuple[str, PartWatch]:
    """Return what is kept of a text, and what read it."""
    heard: list[str] = []
    watch = PartWatch(title, others, WORDS, heard.append)
    for chunk in chunks:
        list(watch.feed(chunk))
        if watch.ended:
            break
    else:
        list(watch.close())
    return "".join(heard), watch


def test_a_text_within_its_length_stays_as_it_is() -> None:
    assert read("Tea is mild. ", "And green.")[0] == "Tea is mild. And green."


def test_its_own_heading_is_left_out_at_the_start_and_only_there() -> None:
    for first in ("## Tea\n\n", "**Tea**\n", "1. Tea:\n", "Tea\n"):
        assert read(first + "It is mild.")[0].strip() == "It is mild."
    assert read("It is mild.\n## Tea\nmore")[0] == "It is mild.\n## Tea\nmore"


def test_a_first_word_that_is_the_title_stays() -> None:
    assert read("Te", "a", " is mild.")[0] == "Tea is mild."


def test_the_heading_of_another_part_ends_it() -> None:
    text, watch = read("It is mild.\n\n", "## 2. Cof", "fee\nIt is strong.")
    assert text == "It is mild.\n\n"
    assert watch.ended is not None


def test_another_heading_is_text() -> None:
    assert read("It is mild.\n## Taste\nGreen.")[0] == "It is mild.\n## Taste\nGreen."


def test_it_ends_with_its_paragraph_once_it_is_long_enough() -> None:
    long = "x" * PARAGRAPH + "."
    assert read(f"{long}\n\nMore.")[0].rstrip() == long
    assert read(f"{long} More.\nA line.")[0] == f"{long} More.\nA line."


def test_a_paragraph_without_end_ends_with_its_sentence() -> None:
    long = "x" * (PARAGRAPH * 5 // 3 + 1)
    assert read(f"{long}. More. Even more.")[0] == f"{long}."
    assert read(f"{long}。More.")[0] == f"{long}。"
    assert read(f"{long} 3.14 is a number. More.")[0] == f"{long} 3.14 is a number."


def test_what_announces_a_list_or_code_is_no_end() -> None:
    long = "x" * PARAGRAPH + ":"
    assert read(f"{long}\n\n- one")[0] == f"{long}\n\n- one"


def test_code_is_never_cut() -> None:
    code = "```python\n" + "a = 1.\n\n" * 50 + "```"
    assert read(f"{code}\nMore.\n\nEven more.")[0].startswith(code)
    for text, is_open in (
        ("```python\na = 1\n", True),
        ("```\na\n```", False),
        ("```\na\n```\nText.", False),
    ):
        assert read(text)[1].in_code is is_open


@given(
    st.lists(st.sampled_from([*"ab.:\n `#*2", "\n\n", "```", "## Tea", "## Coffee", "x" * 30]), max_size=40),
    st.data(),
)
def test_what_is_kept_does_not_depend_on_how_the_text_was_cut(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*chunks)[0] == read(*text)[0]
