"""A JSON object is read out of what stands around it, in any cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.strategies.object_watch import ObjectWatch


def read(*chunks: str) -> tuple[str, bool]:
    """Return what is kept of a text, and whether it ended there."""
    heard: list[str] = []
    watch = ObjectWatch(heard.append)
    for chunk in chunks:
        list(watch.feed(chunk))
        if watch.ended:
            return "".join(heard), True
    list(watch.close())
    return "".join(heard), False


objects = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=6,
    ),
    max_size=4,
)


@given(
    objects, st.sampled_from(["", "```json\n", "Here it is: "]), st.text("ab {}\n`", max_size=9), st.data()
)
def test_the_object_alone_is_kept_and_ends_the_text(
    value: dict[str, object], before: str, after: str, data: st.DataObject
) -> None:
    written = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    text = before + written + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*chunks) == (written, True)


def test_a_text_without_an_object_is_kept_whole() -> None:
    assert read("There ", "is none.") == ("There is none.", False)


def test_an_object_that_was_cut_is_kept_as_far_as_it_came() -> None:
    assert read('Here: {"a": [1, ', "2") == ('{"a": [1, 2', False)
