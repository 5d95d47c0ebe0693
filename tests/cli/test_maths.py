"""LaTeX turned into characters: what is known is turned, what is not stays, nothing breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaver_sdk.cli.maths import readable


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"47 \times 86", "47 × 86"),
        (r"\boxed{5158}", "5158"),
        (r"\boxed{\frac{1}{2}}", "1/2"),
        (r"\frac{a+b}{2}", "(a+b)/2"),
        (r"\frac12", "1/2"),
        (r"\sqrt{2} + \sqrt[3]{x+1}", "√2 + ∛(x+1)"),
        (r"x^2 + y^{10} \le z_1", "x² + y¹⁰ ≤ z₁"),
        (r"x^{y}", r"x^{y}"),  # no backslash and no dollar: not known to be maths
        (r"$x^2$ and $x_{n+1}$", "x² and xₙ₊₁"),
        (r"90^\circ", "90°"),
        (r"\left( \alpha \right)", "( α )"),
        (r"\text{if } n \geq 3", "if  n ≥ 3"),
        (r"\(a\) and \[b\]", "a and b"),
        (r"\{1, 2\}", "{1, 2}"),
        (r"100\%", "100%"),
        ("it costs $5 and $10", "it costs $5 and $10"),
        (r"snake_case \times file_name", "snake_case × file_name"),
        (r"\unknown{3}", r"\unknown{3}"),
        (r"\frac{1}{", r"\frac{1}{"),
        (r"\boxed{", r"\boxed{"),
        ("C:\\users\\name", "C:\\users\\name"),
    ],
)
def test_maths_is_readable(written: str, shown: str) -> None:
    assert readable(written) == shown


def test_a_box_can_be_marked() -> None:
    assert readable(r"So \boxed{42}.", boxed="**{}**") == "So **42**."


PIECES = ["\\", "{", "}", "$", "^", "_", "\\frac", "\\sqrt", "\\boxed{", "x", "1", " ", "\\left", "$$", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    readable(text)


def test_deep_nesting_ends() -> None:
    readable("\\frac{" * 300 + "}" * 300)
    readable("$" * 5_000 + "\\")
