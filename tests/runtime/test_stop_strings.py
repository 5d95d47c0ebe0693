"""Where a text ends does not depend on how it was cut into chunks."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from weaver_sdk.runtime.watch import StopWatch

TEXT = st.text("abc\n", max_size=30)
STOPS = st.lists(st.text("abc\n", min_size=1, max_size=4), min_size=1, max_size=4)


def read(text: str, stops: list[str], cuts: list[int]) -> tuple[str, str | None]:
    """What a watch makes of a text that comes in pieces: what is kept, and the stop string."""
    watch = StopWatch(stops, "answer")
    kept = []
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in pairwise(places):
        kept += watch.feed(text[begin:end])
        if watch.ended is not None:
            return "".join(text for _, text in kept), watch.ended.text
    kept += watch.close()
    return "".join(text for _, text in kept), None


def by_letters(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The same by the plainest rule there is: the first stop string that is whole ends the text."""
    for end in range(len(text) + 1):
        whole = [stop for stop in stops if text[:end].endswith(stop)]
        if whole:
            longest = max(whole, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(TEXT, st.text("ab", min_size=1, max_size=3), st.lists(st.integers(0, 30), max_size=8))
def test_a_text_ends_before_its_stop_string(text: str, stop: str, cuts: list[int]) -> None:
    before, found, _ = text.partition(stop)
    assert read(text, [stop], cuts) == (before, found or None)
    assert before == text.split(stop)[0]


@given(TEXT, STOPS, st.lists(st.integers(0, 30), max_size=8))
@example("xabcd", ["bc", "abcd"], [])
@example("xabcd", ["bc", "abcd"], [4])
@example("xabc", ["bc", "abc"], [2])
def test_the_first_stop_string_that_is_whole_ends_a_text_however_it_is_cut(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    assert read(text, stops, cuts) == by_letters(text, stops)


@given(TEXT, st.lists(st.integers(0, 30), max_size=8))
def test_without_stop_strings_nothing_is_held_back(text: str, cuts: list[int]) -> None:
    assert read(text, [], cuts) == (text, None)


def test_text_that_cannot_become_a_stop_string_is_out_at_once() -> None:
    watch = StopWatch(["###"], "answer")
    assert list(watch.feed("one ##")) == [("answer", "one ")]
    assert list(watch.feed("two#")) == [("answer", "##two")]
    assert list(watch.close()) == [("answer", "#")]
