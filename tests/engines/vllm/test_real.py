"""The launcher with a real vLLM and the packaged model: `make test-vllm`. A start takes a minute or more."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.engines.watching import answers, is_alive, within
from weaver_sdk import CompletionRequest, CompletionsBackend, Fork, ParallelReasoner, Prompt, Result, Sampling
from weaver_sdk.backends.capabilities import KNOWN
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.engines.vllm import VLLMServer
from weaver_sdk.engines.vllm.progress import Progress
from weaver_sdk.errors import EngineStartFailed
from weaver_sdk.testing import Shape, ShapedBackend

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

OPTIONS = {
    "context_tokens": 2048,
    "kv_cache_gib": 1,
    "threads": 1,
    "flags": {"enforce-eager": True, "max-num-seqs": 16},
}
QUESTION = "Compute 47*86 + 93*12 + 58*31 + 64*27"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model, as a folder that vLLM takes. Its tags are special tokens."""
    folder = tmp_path_factory.mktemp("models") / "weaver-nano"
    export = ("-m", "training", "export", "--packaged", "--huggingface", str(folder))
    subprocess.run([sys.executable, *export], check=True)
    return folder


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[VLLMServer]:
    told: list[Progress] = []
    with VLLMServer(model, on_progress=told.append, **OPTIONS) as running:  # type: ignore[arg-type]
        phases = list(dict.fromkeys(progress.phase for progress in told))
        assert phases[0] == "importing"
        assert phases[-2:] == ["trying it", "ready"]
        assert {"starting the engine", "loading weights"} & set(phases)
        yield running


@pytest.fixture
async def reasoner(server: VLLMServer) -> AsyncIterator[ParallelReasoner]:
    async with ParallelReasoner(
        model=server.model_name,
        base_url=server.base_url,
        api_key=server.api_key,
        sampling=Sampling(temperature=0.0),
    ) as made:
        yield made


def counted(server: VLLMServer, name: str, label: str = "") -> float:
    """Return a number of the server's `/metrics`, added up over those with a label."""
    lines = httpx2.get(f"{server.url}/metrics").text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{") and label in line
    )


def running_requests(server: VLLMServer) -> float:
    return counted(server, "num_requests_running")


async def test_a_run_forks_by_tags_that_are_special_tokens(reasoner: ParallelReasoner) -> None:
    result = await reasoner.solve(QUESTION)
    assert result.telemetry.forks >= 1
    assert result.telemetry.threads >= 4
    assert "<Parallel>" in result.text
    assert result.strategy == "native"
    assert result.repairs == []
    assert result.telemetry.cached_prompt_tokens  # told by the flag, kept by the prefix cache


async def test_a_completion_that_is_cancelled_is_aborted_on_the_server(server: VLLMServer) -> None:
    backend = CompletionsBackend(
        server.model_name, server.base_url, server.api_key, capabilities=KNOWN["vllm"]
    )
    request = CompletionRequest(
        prompt=Prompt(text="Compute 47*86"),
        max_tokens=1900,
        sampling=Sampling(temperature=0.0, extra={"min_tokens": 1900}),
    )
    started = asyncio.Event()

    async def write() -> None:
        async for _ in backend.stream(request):
            started.set()

    before = counted(server, "generation_tokens_total")
    writing = asyncio.create_task(write())
    await started.wait()
    assert await asyncio.to_thread(within, 5, lambda: running_requests(server) == 1)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await asyncio.to_thread(within, 2, lambda: running_requests(server) == 0)
    assert counted(server, "generation_tokens_total") - before < 1900
    await backend.aclose()


@pytest.mark.parametrize("kind", [CompletionsBackend, ChatBackend])
async def test_log_probabilities_are_told(server: VLLMServer, kind: type[ServerBackend]) -> None:
    backend = kind(server.model_name, server.base_url, server.api_key, capabilities=KNOWN["vllm"])
    greedy = Sampling(temperature=0.0, extra={"min_tokens": 8})
    request = CompletionRequest(
        prompt=Prompt(text="Compute 47*86"), max_tokens=8, sampling=greedy, logprobs=2
    )
    chunks = [chunk async for chunk in backend.stream(request)]
    told = [one for chunk in chunks for one in chunk.logprobs]
    assert len(told) == 8
    assert all((one.token, one.logprob) in one.top and 2 <= len(one.top) <= 3 for one in told)
    assert "".join(one.token for one in told).startswith("".join(chunk.text for chunk in chunks))
    await backend.aclose()


def test_its_key_is_needed_and_told_to_nobody(server: VLLMServer) -> None:
    assert httpx2.get(f"{server.base_url}/models").status_code == 401
    assert server.log_path is not None
    assert server.api_key not in server.log_path.read_text()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        assert server.api_key.encode() not in file.read_bytes()


def test_it_listens_for_this_machine_alone(server: VLLMServer) -> None:
    assert server.pid is not None
    inodes = {
        os.readlink(link)
        for pid in below(server.pid)
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]
    assert listening
    assert all(address.startswith("0100007F:") for address in listening)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"context_tokens": 99_999}, "context_tokens=99999 is more than the 4096"),
        ({"flags": {"no-such-flag": True}}, "this vLLM has no flag --no-such-flag"),
        ({"kv_cache_gib": 9_999}, "the memory is too small: the cache needs"),
    ],
)
def test_a_failure_is_told_in_one_line(model: Path, options: dict[str, object], said: str) -> None:
    flags = {"enforce-eager": True}
    with pytest.raises(EngineStartFailed) as failed:
        VLLMServer(model, **{"flags": flags, "kv_cache_gib": 1, **options}).start()  # type: ignore[arg-type]
    assert said in str(failed.value).splitlines()[0]


async def test_a_start_that_is_cancelled_leaves_nothing(model: Path) -> None:
    loading = asyncio.Event()

    def tell(progress: Progress) -> None:
        if progress.phase in ("loading weights", "warming up", "trying it"):
            loading.set()

    server = VLLMServer(model, on_progress=tell, **OPTIONS)  # type: ignore[arg-type]
    starting = asyncio.create_task(server.__aenter__())
    await loading.wait()
    assert server.pid is not None
    pids = below(server.pid)
    assert len(pids) >= 2
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(is_alive(pid) for pid in pids)


PARENT = """
import sys
from tests.engines.vllm.test_real import OPTIONS
from weaver_sdk.engines.vllm import VLLMServer
server = VLLMServer(sys.argv[1], **OPTIONS).start()
print(server.pid, server.url, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.mark.timeout(3600)
def test_ten_starts_in_a_row_two_of_them_killed_hard(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workplace = Path(tempfile.mkdtemp(prefix="w-"))
    variables = os.environ | {"TMPDIR": str(workplace)}
    for number in range(1, 11):
        began = time.monotonic()
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, str(model)], stdin=pipe, stdout=pipe, text=True, env=variables
        ) as parent:
            assert parent.stdin is not None
            assert parent.stdout is not None
            told, url = parent.stdout.readline().split()
            ready = time.monotonic() - began
            pids = [int(told), *below(int(told))]
            shared = shared_memory_of(pids)
            assert len(pids) >= 4
            assert list(workplace.glob("weaver-vllm-*"))
            assert shared
            began = time.monotonic()
            if number in (4, 8):
                parent.send_signal(signal.SIGKILL)
            else:
                parent.stdin.write("\n")
                parent.stdin.flush()
            parent.wait()
        assert within(30, lambda pids=pids: not any(is_alive(pid) for pid in pids))  # type: ignore[misc]
        gone = time.monotonic() - began
        assert not answers(url)
        assert not shared & set(os.listdir("/dev/shm"))
        assert within(2, lambda: not list(workplace.glob("weaver-vllm-*")))
        with capsys.disabled():
            how = "killed hard" if number in (4, 8) else "stopped"
            print(f"{number}: ready after {ready:.1f} s, {how}, nothing left after {gone:.2f} s")
    shutil.rmtree(workplace)


def below(pid: int) -> list[int]:
    """Return the processes below one."""
    told = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in told.splitlines()}
    found, above = [], {pid}
    while above := {child for child, parent in parents.items() if parent in above}:
        found.extend(above)
    return found


def shared_memory_of(pids: list[int]) -> set[str]:
    found: set[str] = set()
    for pid in pids:
        found |= set(re.findall(r"/dev/shm/(\S+)$", Path(f"/proc/{pid}/maps").read_text(), re.M))
    return found


async def in_shape(server: VLLMServer, shape: Shape, question: str, **options: Any) -> Result:
    """Run a shape on a text of some 700 tokens, which for this model are letters, unlike any other text."""
    backend = CompletionsBackend(
        server.model_name,
        server.base_url,
        server.api_key,
        capabilities=replace(KNOWN["vllm"], context_tokens=server.context_tokens),
    )
    async with ParallelReasoner(
        backend=ShapedBackend(backend, shape),
        strategy="native",
        sampling=Sampling(temperature=0.0),
        **options,
    ) as reasoner:
        result = await reasoner.solve(f"{question} and so on, " + "1 2 3 4 5 6 7 8 9 " * 36)
    await backend.aclose()
    assert result.telemetry.total_tokens == shape.total
    return result


async def test_threads_find_their_context_in_the_cache(server: VLLMServer) -> None:
    result = await in_shape(server, Shape(opening=40, threads=(32,) * 4, answer=8), "fork")
    fork = result.trace[1]
    assert isinstance(fork, Fork)
    for thread in fork.threads[1:]:
        seed = len("\n<Thread>\n2:")
        assert thread.prompt_tokens is not None
        assert thread.prompt_tokens > 600
        assert (thread.cached_prompt_tokens or 0) >= 0.95 * (thread.prompt_tokens - seed)


async def test_a_warm_join_computes_the_last_thread_and_little_more(server: VLLMServer) -> None:
    shape = Shape(opening=40, threads=(64, 64, 64, 256), answer=8)
    cold = (await in_shape(server, shape, "cold", warm_joins=False)).telemetry
    warm = (await in_shape(server, shape, "warm", warm_joins=True)).telemetry
    assert cold.join_prefill_tokens is not None
    assert warm.join_prefill_tokens is not None
    assert cold.join_prefill_tokens > 64 + 64 + 256
    assert warm.join_prefill_tokens < cold.join_prefill_tokens - 64  # two threads, less what fills no block
    assert warm.warm_requests >= 1


async def test_tokens_that_were_written_are_taken_back(server: VLLMServer) -> None:
    shape = Shape(opening=40, threads=(32, 32), answer=8)
    text = await in_shape(server, shape, "the same", prefix="text")
    tokens = await in_shape(server, shape, "the same", prefix="tokens")
    assert tokens.text == text.text
    assert tokens.telemetry.drift_tokens == 0
