"""Trajectories to test with: one by hand, and as many as hypothesis likes."""

from __future__ import annotations

from hypothesis import strategies as st

from weaver_sdk.markup import THREADWEAVER, Dialect, Outline, join_threads
from weaver_sdk.markup.scanner import Tag, Token, scan

PRODUCTS = """<think>
We add the two products.
<Parallel>
<Outlines>
<Outline>1: Compute 47*86.</Outline>
<Outline>2: Compute 93*12.</Outline>
</Outlines>
<Thread>
1: 47*86 = 47*80 + 47*6 = 3760 + 282 = 4042
</Thread><Thread>
2: 93*12 = 1116
</Thread>
</Parallel>
4042 + 1116 = 5158
</think>
\\boxed{5158}
"""
"""The trajectory of the documentation."""


def block(*threads: str, dialect: Dialect = THREADWEAVER, stem: str = "") -> str:
    """A well-formed block of threads that wrote these texts."""
    outlines = [Outline(f"{stem}{place}", f"Part {place}.") for place in range(1, len(threads) + 1)]
    opening, closing = dialect.outline
    listed = "".join(f"{opening}{outline.label}: {outline.text}{closing}\n" for outline in outlines)
    head = f"{dialect.outlines[0]}\n{listed}{dialect.outlines[1]}"
    joined = join_threads(dialect, zip(outlines, threads, strict=True))
    tail = f"So much for that.\n{dialect.conclusion[1]}" if dialect.conclusion else ""
    if dialect.block is None:
        return head + joined + tail
    return f"{dialect.block[0]}\n{head}{joined}{tail}{dialect.block[1]}"


def merged(tokens: list[Token]) -> list[tuple[str, object]]:
    """Tokens with neighbouring texts as one: what must not depend on the chunks."""
    out: list[tuple[str, object]] = []
    for token in tokens:
        if isinstance(token, Tag):
            out.append(("tag", token))
        elif out and out[-1][0] == "text":
            text, start = out[-1][1]  # type: ignore[misc]
            out[-1] = ("text", (text + token.text, start))
        else:
            out.append(("text", (token.text, token.start)))
    return out


def pieces(dialect: Dialect) -> st.SearchStrategy[str]:
    """What texts with markup are made of: tags, tags cut in two, and whatever else may stand between."""
    tags = [tag for pair in dialect.tags().values() for tag in pair]
    return st.one_of(
        st.sampled_from(tags),
        st.sampled_from(tags).map(str.upper),
        st.sampled_from(tags).flatmap(lambda tag: st.integers(1, len(tag)).map(lambda cut: tag[:cut])),
        st.sampled_from(
            ["<", ">", "\\", "\n", "\r\n", "1:", " 2: x", "1. y\n", "&lt;", "\\boxed{", "}", "{"]
        ),
        st.text(max_size=6),
    )


def messes(dialect: Dialect = THREADWEAVER) -> st.SearchStrategy[str]:
    """Any text, much of it markup that went wrong."""
    return st.lists(pieces(dialect), max_size=40).map("".join)


def plain(dialect: Dialect = THREADWEAVER, **limits: int) -> st.SearchStrategy[str]:
    """Text without a tag, but full of what looks like one."""
    odd = st.sampled_from(["<", ">", "\\<Thread>", "&lt;Thread&gt;", "{x}", "\r\n", "a", "é", "\n", "1:"])
    texts = st.lists(st.one_of(odd, st.text(max_size=5)), **limits).map("".join)
    return texts.filter(lambda text: not any(isinstance(token, Tag) for token in scan(text + ".", dialect)))


@st.composite
def well_formed(draw: st.DrawFn, dialect: Dialect = THREADWEAVER, depth: int = 2) -> str:
    """A well-formed trajectory with blocks nested down to `depth`."""

    def blocks(depth: int, stem: str) -> str:
        threads = []
        for place in range(1, draw(st.integers(1, 3)) + 1):
            inner = f"{stem}{place}." if dialect.nested_labels == "dotted" else ""
            nested = blocks(depth - 1, inner) if depth > 1 and draw(st.booleans()) else ""
            threads.append(f" {draw(plain(dialect, max_size=4))} {nested} x{dialect.thread_end}")
        return block(*threads, dialect=dialect, stem=stem)

    parts = [draw(plain(dialect, max_size=4)) + "\n"]
    for _ in range(draw(st.integers(0, 2))):
        parts += [blocks(depth, ""), "\n" + draw(plain(dialect, max_size=4)) + "\n"]
    inside = "".join(parts)
    if not dialect.reasons_in_think:
        return inside
    return f"{dialect.think[0]}\n{inside}{dialect.think[1]}\n{draw(plain(dialect, max_size=4))}"


LEGACY_SUMS = """<think>
Two sums.
<Parallel>
<Outlines>
<Outline>1: Add 2 and 3.</Outline>
<Outline>2: Add 4 and 5.</Outline>
</Outlines>
<Thread>
1: 5
</Thread><Thread>
2: 9
</Thread>
<Conclusion>
5 and 9.
</Conclusion>
</Parallel>
Their product is 45.
</think>
\\boxed{45}"""

MULTIVERSE_CASES = """<think>
Two cases.
<Parallel>
<Goal>
<Outline>
1: x is even.
</Outline>
<Outline>
2: x is odd.
</Outline>
</Goal>
<Path>
1: Then
<Parallel>
<Goal>
<Outline>
1.1: x = 2.
</Outline>
<Outline>
1.2: x > 2.
</Outline>
</Goal>
<Path>
1.1: prime
</Path><Path>
1.2: not prime
</Path><Conclusion>
Only 2.
</Conclusion>
</Parallel>
</Path>
<Path>
2: any
</Path>
<Conclusion>
All odd primes and 2.
</Conclusion>
</Parallel>
</think>
The answer is \\boxed{2}."""
"""The inner block as the client stitches it, the outer one as the model writes it on its own."""

NPR_ROOTS = """<guideline>
<plan>1: Factor.</plan>
<plan>2: Try values.</plan>
</guideline>
<step>
1: (x-1)(x-2)
</step>
<step>
2: 1 and 2 fit
</step>
<takeaway>
Both give 1 and 2.
</takeaway>

<guideline>
<plan>1: Check.</plan>
</guideline>
<step>
1: fits
</step><takeaway>
Done.
</takeaway>

The sum is \\boxed{3}."""
