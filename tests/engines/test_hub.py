"""Models of the hub: which file is taken, that it is fetched once, and what is said if it cannot be had."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.hub_endpoint import Hub, serving
from weaver_sdk import ConfigurationError, EngineNotInstalled, EngineStartFailed
from weaver_sdk.engines import hub as room
from weaver_sdk.engines.hub import HubModel, choose_file, gguf_files, parts_of
from weaver_sdk.engines.models import LocalModel, fetch_in_background, fetch_model, find_model, weaver_nano

REPOSITORIES = {
    "me/one": {"README.md": b"Hello.", "model.gguf": b"GGUF one"},
    "me/several": {"a-Q4_K_M.gguf": b"GGUF a4", "a-Q8_0.gguf": b"GGUF a8", "mmproj-a.gguf": b"GGUF eye"},
    "me/unclear": {"a.gguf": b"GGUF a", "folder/b.gguf": b"GGUF b"},
    "me/split": {f"q-0000{part}-of-00002.gguf": f"GGUF {part}".encode() for part in (1, 2)},
    "me/none": {"model.safetensors": b"{}"},
    "me/gated": {"model.gguf": b"GGUF gated"},
}

WEAVER = "from weaver_sdk.cli import main; main()"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub on loopback, with a cache of its own and nobody's token."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub(REPOSITORIES, gated=frozenset({"me/gated"}))) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def fetched(name: str) -> LocalModel:
    return fetch_model(find_model(name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hf:me/one", b"GGUF one"),
        ("hf:me/several", b"GGUF a4"),
        ("hf:me/several:a-Q8_0.gguf", b"GGUF a8"),
        ("hf:me/unclear:folder/b.gguf", b"GGUF b"),
    ],
)
def test_a_name_means_one_file(hub: Hub, name: str, content: bytes) -> None:
    model = fetched(name)
    assert model.path.read_bytes() == content
    assert model.name == model.path.stem


def test_a_model_in_parts_is_fetched_whole_and_opened_by_its_first(hub: Hub) -> None:
    model = fetched("hf:me/split")
    assert model.path.read_bytes() == b"GGUF 1"
    assert sorted(file.name for file in model.path.parent.iterdir()) == sorted(REPOSITORIES["me/split"])


def test_a_file_is_downloaded_once(hub: Hub) -> None:
    first, second = fetched("hf:me/one"), fetched("hf:me/one")
    assert first == second
    assert [line for line in hub.asked if line.startswith("GET /me/one/")] == [
        "GET /me/one/resolve/main/model.gguf"
    ]


@pytest.mark.parametrize("name", ["hf:me/one", "hf:me/one:model.gguf"])
@pytest.mark.parametrize("away", ["down", "failing"])
def test_what_is_in_the_cache_needs_no_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, away: str
) -> None:
    model = fetched(name)
    if away == "down":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    else:
        hub.failing = 503
    assert fetched(name) == model


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf:me/unclear", "name one of its files, as hf:me/unclear:FILE; it has a.gguf, folder/b.gguf"),
        ("hf:me/none", "hf:me/none: it holds no GGUF files"),
        ("hf:me/one:other.gguf", "hf:me/one:other.gguf: the repository has no such file; it has model.gguf"),
        ("hf:me/nothing", "hf:me/nothing: no such repository"),
        ("hf:me/gated", "hf:me/gated is gated: accept its terms at"),
        ("hf:me/gated:model.gguf", "set HF_TOKEN"),
    ],
)
def test_a_model_that_cannot_be_had_is_told_with_what_to_do(hub: Hub, name: str, said: str) -> None:
    with pytest.raises(EngineStartFailed, match=said):
        fetched(name)


@pytest.mark.parametrize("name", ["hf:me/one", "hf:me/one:model.gguf"])
def test_without_a_network_it_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        EngineStartFailed, match=r"not in the cache, and http://127\.0\.0\.1:9 cannot be reached"
    ):
        fetched(name)


@pytest.mark.parametrize(
    ("status", "said"), [(401, "refuses the token"), (403, "refuses the token"), (500, "HTTP 500")]
)
def test_what_the_hub_answers_otherwise_is_told(hub: Hub, status: int, said: str) -> None:
    hub.failing = status
    with pytest.raises(EngineStartFailed, match=said):
        fetched("hf:me/one")


def test_a_cache_that_cannot_be_written_is_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EngineStartFailed, match="hf:me/one cannot be kept in the cache"):
        fetched("hf:me/one")


def test_the_token_opens_a_gated_model(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert fetched("hf:me/gated").path.read_bytes() == b"GGUF gated"


@pytest.mark.parametrize(
    ("name", "status"), [("hf:me/gated", None), ("hf:me/nothing", None), ("hf:me/one", 500)]
)
def test_the_token_is_never_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, status: int | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.failing = status
    with caplog.at_level(logging.DEBUG, "weaver_sdk"), pytest.raises(EngineStartFailed) as caught:
        fetched(name)
    assert "Bearer hf_secret" in hub.tokens
    assert caught.value.__cause__ is None
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert "hf_secret" not in shown


@pytest.mark.parametrize("name", ["hf:", "hf:me", "hf:me/one/two", "hf:me/one:", "hf:/one", "hf:me/one two"])
def test_a_name_that_is_none_is_told_before_anything_is_asked(name: str) -> None:
    with pytest.raises(ConfigurationError, match="hf:OWNER/REPO"):
        find_model(name)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineNotInstalled, match=r"weaver-sdk\[hf\]"):
        HubModel("me/one").fetch()


async def test_the_loop_goes_on_while_a_model_is_fetched(hub: Hub) -> None:
    assert (await fetch_in_background(find_model("hf:me/one"))).path.read_bytes() == b"GGUF one"
    with pytest.raises(EngineStartFailed, match="no such repository"):
        await fetch_in_background(find_model("hf:me/nothing"))


async def test_who_waits_for_a_download_can_be_cancelled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, left, may_end = asyncio.Event(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(self: HubModel) -> Path:
        loop.call_soon_threadsafe(entered.set)
        may_end.wait()
        loop.call_soon_threadsafe(left.set)
        return weaver_nano().path

    monkeypatch.setattr(HubModel, "fetch", slow)
    waiting = asyncio.create_task(fetch_in_background(HubModel("me/one")))
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()
    await left.wait()


def test_a_command_fetches_a_model_and_answers_with_it(hub: Hub, tmp_path: Path) -> None:
    model = {"me/nano": {"weaver-nano.gguf": weaver_nano().path.read_bytes()}}
    hub.repositories = {**hub.repositories, **model}
    done = subprocess.run(
        [sys.executable, "-c", WEAVER, "solve", "--quiet", "--local", "hf:me/nano", "Compute 47*86 + 93*12"],
        env=os.environ | {"HF_HOME": str(tmp_path), "WEAVER_CONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "5158\n"), done.stderr
    assert list(tmp_path.glob("hub/models--me--nano/snapshots/*/weaver-nano.gguf"))


@given(st.lists(st.from_regex(r"[a-z]{1,3}(-Q4_K_M|-0000[12]-of-00002)?\.(gguf|GGUF|bin)", fullmatch=True)))
def test_a_file_is_chosen_from_the_list_or_nothing_is(files: list[str]) -> None:
    models = gguf_files(files)
    usual = [file for file in models if "q4_k_m" in file.lower()]
    if len(models) == 1 or len(usual) == 1:
        chosen = choose_file("hf:me/any", files)
        assert chosen in models
        assert parts_of(chosen)[0] == chosen
    else:
        with pytest.raises(EngineStartFailed, match="hf:me/any"):
            choose_file("hf:me/any", files)
