"""How a result shows itself: one line, a terminal, a notebook. Whatever it holds starts no markup."""

import io
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.runtime.play import play, table
from tests.test_result import ANSWERED, BASE, OPENED
from weaver_sdk import Fork, Result, Thread
from weaver_sdk.options import Budget
from weaver_sdk.testing import Script, ScriptedBackend, ScriptedBlock, ScriptedTrajectory

PLAIN = Result.from_json(BASE)


class Page(HTMLParser):
    """Reads a fragment: which tags it has, whether they are closed, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.titles: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def in_a_terminal(result: Result, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(result)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


async def test_one_line_has_the_answer_the_end_and_the_cost() -> None:
    result = await play(table())
    shown = replace(result, telemetry=replace(result.telemetry, wall_seconds=0.5, total_tokens=1234))
    assert repr(shown) == "<Result '42', finish='stop', 1 fork with 2 threads, 1,234 tokens, 0.50 s>"
    assert f"{shown}" == repr(shown)


def test_a_run_without_forks_or_answer_says_so() -> None:
    nothing = replace(PLAIN, answer=None, finish="budget")
    assert repr(nothing) == "<Result no answer, finish='budget', no fork, 1 token, 0.10 s>"
    assert in_a_terminal(nothing) == "no answer\nno fork · 1 token · 0.10 s · ended by budget\n"
    assert "no answer" in Page(nothing._repr_html_()).text


def test_in_a_terminal_the_whole_answer_stands_above_its_figures() -> None:
    long = replace(PLAIN, answer="one\n[bold]two[/bold]\n" + "x" * 70)
    assert in_a_terminal(long) == f"one\n[bold]two[/bold]\n{'x' * 70}\nno fork · 1 token · 0.10 s\n"


async def test_in_a_notebook_every_thread_has_its_lane() -> None:
    nested = ScriptedBlock((" deeper\n", " wider\n"))
    outer = ScriptedBlock(((OPENED, nested, ANSWERED), " x\n"))
    script = Script((ScriptedTrajectory("Q", (OPENED, outer, ANSWERED), "4"),))
    result = await play(ScriptedBackend(script), budget=Budget(max_depth=2))
    assert sum(isinstance(part, Fork) for part in result.trace) == 1
    page = Page(result._repr_html_())
    names = [name for name in page.titles if not name.endswith(("done", "eos"))]
    assert names == ["main line", "1.1 a", "2.1 a", "2.2 b", "1.2 b"]
    assert sum("tokens, " in title for title in page.titles) >= 5
    assert result.text in page.text


@given(answer=st.none() | st.text(), text=st.text(), outline=st.text())
def test_whatever_it_holds_starts_no_markup(answer: str | None, text: str, outline: str) -> None:
    thread = Thread(label="1", outline=outline, text=text, tokens=1, started=0.0, ended=0.1, outcome="eos")
    fork = Fork(fork=1, threads=[thread], started=0.0, ended=0.1, joined="")
    result = replace(PLAIN, answer=answer, text=text, trace=[fork])
    assert "\n" not in repr(result)
    assert len(repr(result)) < 700  # 60 characters, each escaped at most to ten
    page = Page(result._repr_html_())
    assert page.open == []
    assert page.tags <= {"div", "b", "i", "details", "summary", "pre"}
    assert page.attributes <= {"style", "title"}
    shown = in_a_terminal(result)
    assert not [c for c in shown if not c.isprintable() and c not in "\n\t"]
