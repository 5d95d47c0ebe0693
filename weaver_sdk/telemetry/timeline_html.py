"""A timeline as one self-contained page: the lanes, the text on hover, the tables.

The page loads nothing. Everything that a model or a user wrote goes through `escape`; the page's content
security policy allows only its own style and script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files

from weaver_sdk.result import Outcome
from weaver_sdk.telemetry.report import count_text, repairs, rows, seconds_text, timing_line
from weaver_sdk.telemetry.timeline import BlockLanes, CompletionSpan, ThreadLane, Timeline, ticks, time_text

_COLOURS = 6


def timeline_page(timelines: Sequence[Timeline], notes: Sequence[str] = ()) -> str:
    """Return the page of one or more runs.

    Args:
        notes: warnings about the trace file, shown at the top.
    """
    page = files("weaver_sdk.telemetry").joinpath("timeline_page.html").read_text("utf-8")
    warnings = "".join(f'<p class="warn">{escape(note)}</p>' for note in notes)
    body = warnings + "\n".join(_run(place, timeline) for place, timeline in enumerate(timelines, 1))
    title = f"weaver: {timelines[0].problem[:80]}" if timelines else "weaver"
    # the title first: text in it must not be taken for a placeholder
    before, _, after = page.partition("{{title}}")
    middle, _, end = after.partition("{{runs}}")
    return before + escape(title) + middle + body + end


def _run(place: int, timeline: Timeline) -> str:
    result = timeline.result
    parts = [
        '<section class="run">',
        f"<h1>{escape(timeline.problem) or 'a run without its beginning'}</h1>",
        f'<p class="soft">{escape(timeline.model)} · {timeline.mode} · run {escape(timeline.run_id)}</p>',
    ]
    if result is None:
        parts.append('<p class="warn">The trace breaks off: the end of this run is missing.</p>')
    else:
        answer = "no answer" if result.answer is None else result.answer
        parts.append(f'<p class="answer">Answer: <b>{escape(answer)}</b></p>')
        parts.append(f'<p class="cost">{escape(timing_line(result.telemetry))}</p>')
    parts += ["<h2>Lanes over time</h2>", '<div class="picture">', *_picture(place, timeline), "</div>"]
    if result is not None:
        parts += ["<h2>Measures</h2>", '<table class="small">']
        parts += [
            f'<tr><td>{escape(row.name)}</td><td class="num">{escape(row.value)}</td>'
            f'<td class="soft">{escape(row.meaning)}</td></tr>'
            for row in rows(result)
        ]
        parts.append("</table>")
    if timeline.blocks:
        parts += ["<h2>Threads</h2>", *_threads(timeline)]
    lines = repairs(result.repairs) if result is not None else list(timeline.repairs)
    if lines:
        parts += ["<h2>Repairs</h2><ul>", *(f"<li>{escape(text)}</li>" for text in lines), "</ul>"]
    parts.append(
        f'<details><summary>The whole text</summary><p class="text">{escape(timeline.text)}</p></details>'
    )
    parts.append("</section>")
    return "\n".join(parts)


def _picture(place: int, timeline: Timeline) -> Iterator[str]:
    total = max([timeline.seconds, *(span.ended for span in timeline.spans()), 1e-9])
    marks = ticks(total, 7)
    labels = "".join(_mark(mark, total) for mark in marks)
    yield '<div class="row head"><div class="name soft">time</div>'
    yield f'<div class="track axis">{labels}</div></div>'
    bars = [
        _bar(
            f"r{place}m{n}", f"segment {n}", replace(span, outcome=_main_outcome(span)), total, "var(--main)"
        )
        for n, span in enumerate(timeline.main, 1)
    ]
    yield '<div class="row"><div class="name"><b>main line</b></div>'
    yield f'<div class="track">{"".join(bars)}</div></div>'
    for block in timeline.blocks:
        yield from _block(place, block, total)


def _mark(mark: float, total: float) -> str:
    last = " class=last" if mark > 0.93 * total else ""  # its label goes to the left, inside the picture
    return f'<span{last} style="left:{mark / total:.4%}">{time_text(mark)}</span>'


def _block(place: int, block: BlockLanes, total: float) -> Iterator[str]:
    kind = " inner" if block.parent is not None else ""
    inside = f" inside thread {block.parent[1]} of fork {block.parent[0]}" if block.parent is not None else ""
    took = seconds_text(block.joined - block.opened)
    left, width = block.opened / total, (block.joined - block.opened) / total
    yield (
        f'<div class="row block{kind}"><div class="name"><b>fork {block.fork}</b>'
        f'<span class="soft"> · {count_text(len(block.threads), "thread")} · {took}{inside}</span></div>'
        f'<div class="track"><div class="frame" style="left:{left:.4%};width:{width:.4%}"></div></div></div>'
    )
    for lane in block.threads:
        name = escape(f"{lane.label} {lane.outline}")
        bar = ""
        if lane.span is not None:
            hue = f"var(--c{(lane.thread - 1) % _COLOURS})"
            bar = _bar(f"r{place}f{block.fork}t{lane.thread}", _title(lane), lane.span, total, hue)
        yield (
            f'<div class="row{kind}"><div class="name" title="{name}">{name}</div>'
            f'<div class="track">{bar}</div></div>'
        )


def _title(lane: ThreadLane) -> str:
    return f"{lane.label} {lane.outline}"


def _bar(name: str, title: str, span: CompletionSpan, total: float, hue: str) -> str:
    read = 1.0 if span.first is None else min(1.0, (span.first - span.started) / max(span.seconds, 1e-9))
    description = (
        f"{title}: {seconds_text(span.seconds)}, {count_text(span.tokens, 'token')}, {_outcome(span)}"
    )
    return (
        f'<button class="bar {_state(span)}" data-text="{name}" aria-label="{escape(description)}" '
        f'style="left:{span.started / total:.4%};width:{span.seconds / total:.4%};--hue:{hue}">'
        f'<i class="read" style="width:{read:.2%}"></i>'
        f'<i class="write" style="width:{1 - read:.2%}"></i></button>'
        f'<template id="{name}">{escape(span.text)}</template>'
    )


def _threads(timeline: Timeline) -> Iterator[str]:
    yield '<div class="scroll"><table><tr><th class="num">fork</th><th class="num">thread</th>'
    yield '<th class="wide">outline</th>'
    yield '<th class="num">tokens</th><th class="num">seconds</th>'
    yield '<th class="num hide-narrow">first token</th><th class="num hide-narrow">tok/s</th>'
    yield "<th>ended</th></tr>"
    for block in timeline.blocks:
        for lane in block.threads:
            yield _thread_row(block, lane)
    yield "</table></div>"


def _thread_row(block: BlockLanes, lane: ThreadLane) -> str:
    span = lane.span
    outline = escape(lane.outline)
    cells = f'<td class="num">{block.fork}</td><td class="num">{escape(lane.label)}</td>'
    if span is None:
        return f'<tr>{cells}<td>{outline}</td><td colspan="5" class="soft">never started</td></tr>'
    first = "" if span.first is None else seconds_text(span.first - span.started)
    writing = span.ended - (span.started if span.first is None else span.first)
    rate = f"{span.tokens / writing:.0f}" if writing > 0.01 and span.tokens > 1 else ""
    warnings = "".join(f'<div class="warn">{escape(text)}</div>' for text in span.repairs)
    error = f'<div class="bad">{escape(span.error)}</div>' if span.error else ""
    mood = {"done": "good", "repaired": "warn", "cut": "bad"}[_state(span)]
    return (
        f"<tr>{cells}<td><details><summary>{outline}</summary>"
        f'<p class="text">{escape(span.text)}</p></details>{warnings}{error}</td>'
        f'<td class="num">{span.tokens:,}</td><td class="num">{span.seconds:.2f}</td>'
        f'<td class="num hide-narrow">{first}</td><td class="num hide-narrow">{rate}</td>'
        f'<td class="word {mood}">{_outcome(span)}</td></tr>'
    )


def _main_outcome(span: CompletionSpan) -> Outcome | None:
    return "done" if span.outcome == "eos" else span.outcome  # how a main line normally ends


def _outcome(span: CompletionSpan) -> str:
    return span.outcome or "not ended"


def _state(span: CompletionSpan) -> str:
    if span.outcome in ("length", "error", "timeout", "cancelled", None):
        return "cut"
    return "repaired" if span.repairs or span.outcome != "done" else "done"
