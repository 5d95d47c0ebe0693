"""How a result shows itself: in one line, in a terminal by Rich, in a notebook as HTML.

What a model or a user wrote is data here: it goes through `repr`, `Text` or `escape`, and starts no markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group

    from weaver_sdk.result import Fork, Result, Segment, Thread

_ANSWER_CHARACTERS = 60
_NAME = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_TRACK = "position:relative;height:1em;align-self:center"
_BAR = "position:absolute;top:0;bottom:0;min-width:2px;border-radius:2px;background:currentColor"
_GRID = "display:grid;grid-template-columns:minmax(6em,30%) 1fr;gap:.15em 1em;margin:.6em 0;font-size:.9em"


def one_line(result: Result) -> str:
    """Return a result in one line: its answer, shortened, how it ended, and what it cost."""
    answer = result.answer
    if answer is not None and len(answer) > _ANSWER_CHARACTERS:
        answer = answer[: _ANSWER_CHARACTERS - 1] + "…"
    said = "no answer" if answer is None else repr(answer)
    return f"<Result {said}, finish={result.finish!r}, {', '.join(_figures(result))}>"


def rich_view(result: Result) -> Group:
    """Return the answer and a line of figures, for Rich."""
    from rich.console import Group
    from rich.text import Text

    answer = Text("no answer", style="yellow") if result.answer is None else Text(_printable(result.answer))
    return Group(answer, Text(_figures_line(result), style="dim"))


def html_view(result: Result) -> str:
    """Return the answer, a line of figures, the threads over time and the whole text as an HTML fragment.

    It brings its own style, follows the page's colours, and loads and runs nothing.
    """
    answer = "<i>no answer</i>" if result.answer is None else escape(result.answer)
    return (
        f'<div><div style="white-space:pre-wrap"><b>{answer}</b></div>'
        f'<div style="opacity:.7">{escape(_figures_line(result))}</div>'
        f'<div style="{_GRID}">{"".join(_rows(result))}</div>'
        "<details><summary>The whole text</summary>"
        f'<pre style="white-space:pre-wrap">{escape(result.text)}</pre></details></div>'
    )


def _figures(result: Result) -> list[str]:
    t = result.telemetry
    threads = f"{t.forks} fork{_s(t.forks)} with {t.threads} thread{_s(t.threads)}" if t.forks else "no fork"
    return [threads, f"{t.total_tokens:,} token{_s(t.total_tokens)}", f"{t.wall_seconds:.2f} s"]


def _figures_line(result: Result) -> str:
    """Return the figures for people, with the finish only where it was not the model's own end."""
    ended = [] if result.finish == "stop" else [f"ended by {result.finish}"]
    return " · ".join([*_figures(result), *ended])


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _printable(text: str) -> str:
    """Return a text without control characters, which would steer the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def _rows(result: Result) -> Iterator[str]:
    """Yield the lanes: the main line, then each fork's threads, over the seconds of the run."""
    forks = [part for part in result.trace if part.kind == "fork"]
    total = max(result.telemetry.wall_seconds, *(_ends(result.trace)), 1e-9)
    yield from _row("main line", [part for part in result.trace if part.kind == "segment"], total)
    yield from _threads(forks, total, depth=0)


def _ends(trace: Iterable[Segment | Fork]) -> list[float]:
    return [0.0, *(part.ended for part in trace)]


def _threads(forks: Iterable[Fork], total: float, depth: int) -> Iterator[str]:
    for fork in forks:
        for thread in fork.threads:
            name = f"{fork.fork}.{thread.label} {thread.outline}".rstrip()
            yield from _row(name, [thread], total, depth)
            inner = [part for part in thread.trace if part.kind == "fork"]
            yield from _threads(inner, total, depth + 1)


def _row(name: str, spans: Iterable[Segment | Thread], total: float, depth: int = 0) -> Iterator[str]:
    yield f'<div style="{_NAME};padding-left:{depth}em" title="{escape(name)}">{escape(name)}</div>'
    bars = "".join(
        f'<div title="{span.tokens:,} tokens, {span.ended - span.started:.2f} s, {span.outcome}" '
        f'style="{_BAR};opacity:{0.8 if span.outcome in ("done", "eos") else 0.35};'
        f'left:{span.started / total:.2%};width:{(span.ended - span.started) / total:.2%}"></div>'
        for span in spans
    )
    yield f'<div style="{_TRACK}">{bars}</div>'
