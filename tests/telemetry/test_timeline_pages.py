"""The page and the trace-event file: well-formed, self-contained, and no code in them but our own."""

import json
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.tape import Tape, two_threads
from weaver_sdk.result import Repair
from weaver_sdk.telemetry.timeline import build_timeline
from weaver_sdk.telemetry.timeline_html import timeline_page
from weaver_sdk.telemetry.timeline_perfetto import perfetto_json

VOID = {"meta", "br", "link", "img", "input"}
EVIL = (
    "<script>alert(1)</script></template><img src=x onerror=alert(2)>\"' onmouseover=alert(3) {{runs}} &lt;"
)


class Page(HTMLParser):
    """Reads a page, checks that tags close in order, and keeps what is of interest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def evil_page() -> str:
    tape = Tape().start(problem=EVIL).says(EVIL).fork(EVIL, EVIL).send(1, 2).writes(1, EVIL)
    tape.ends(1, "error", error=EVIL).mends("thread_failed", EVIL, thread=1).joins()
    repair = Repair(kind="stray_tag", done=EVIL)
    tape.finish(answer=EVIL, text=EVIL, problem=EVIL, repairs=[repair])
    return timeline_page([build_timeline(tape.events)], notes=[EVIL])


def test_what_the_model_wrote_is_text_everywhere() -> None:
    page = Page(evil_page())
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(EVIL) >= 8


def test_nothing_is_loaded_from_anywhere() -> None:
    page = Page(timeline_page([build_timeline(two_threads().ends(2).joins().finish().events)]))
    assert not [a for _, attributes in page.tags for a in attributes if a in ("src", "href")]
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_page_has_a_bar_and_a_text_for_every_completion() -> None:
    page = Page(timeline_page([build_timeline(two_threads().ends(2).joins().events)]))
    bars = [a["data-text"] for t, a in page.tags if t == "button"]
    texts = [a["id"] for t, a in page.tags if t == "template"]
    assert bars == texts == ["r1m1", "r1f1t1", "r1f1t2"]
    assert "The trace breaks off" in page.text


def test_several_runs_are_on_one_page() -> None:
    timeline = build_timeline(two_threads().ends(2).joins().finish().events)
    page = Page(timeline_page([timeline, timeline]))
    assert [t for t, _ in page.tags].count("section") == 2
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_makes_a_page_and_a_trace(problem: str, text: str) -> None:
    tape = Tape().start(problem=problem).says(text).fork(text).send(1).writes(1, text).ends(1).joins()
    timeline = build_timeline(tape.events)
    Page(timeline_page([timeline]))
    json.loads(perfetto_json([timeline]))


def test_the_trace_events_say_when_what_ran() -> None:
    tape = two_threads().ends(2, "length", tokens=9, after=1.0).joins().retries("429")
    trace = json.loads(perfetto_json([build_timeline(tape.events)]))["traceEvents"]
    slices = {(e["tid"], e["name"]): e for e in trace if e["ph"] == "X"}
    second = slices[1002, "Compute 93*12."]
    assert (second["ts"], second["dur"]) == (400_000, 1_400_000)
    assert second["args"]["outcome"] == "length"
    assert slices[1000, "fork 1"]["dur"] == 1_400_000
    assert [e["args"]["reason"] for e in trace if e["ph"] == "i"] == ["429"]
    running = [e["args"]["running"] for e in trace if e["ph"] == "C"]
    assert max(running) == 2
    assert running[-1] == 0
    names = {e["tid"]: e["args"]["name"] for e in trace if e["name"] == "thread_name"}
    assert names[0] == "main line"
    assert names[1001] == "1: Compute 47*86."
