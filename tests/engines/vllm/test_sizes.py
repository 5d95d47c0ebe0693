"""What a machine has, and how large a server is made on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.vllm.scripts import model_folder
from weaver_sdk.engines import hardware
from weaver_sdk.engines.hardware import Gpu, Hardware, detect_hardware
from weaver_sdk.engines.vllm.sizes import GpuSizes, ModelSize, cpu_cache_gib, gpu_sizes, read_model
from weaver_sdk.errors import ConfigurationError, EngineStartFailed

TWO_CARDS = """\
0, GPU-aaaa-1, NVIDIA H100 80GB HBM3, 81559, 80994
1, GPU-bbbb-2, NVIDIA H100 80GB HBM3, 81559, 10000
"""


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `nvidia-smi` that shows two cards."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{TWO_CARDS}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tool


def gpus(*free: float, total: float = 80.0) -> Hardware:
    found = [Gpu(index=i, name="GPU", total_gib=total, free_gib=room) for i, room in enumerate(free)]
    return Hardware(gpus=tuple(found), nvidia=True)


def test_the_cards_are_found_without_torch(cards: Path) -> None:
    machine = detect_hardware()
    assert machine.nvidia
    assert [(gpu.index, round(gpu.total_gib), round(gpu.free_gib)) for gpu in machine.gpus] == [
        (0, 80, 79),
        (1, 80, 10),
    ]


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("1", [1]), ("1,0", [1, 0]), ("GPU-bbbb", [1]), ("0,7,1", [0]), ("", []), ("-1", [])],
)
def test_only_those_that_may_be_used_count(cards: Path, visible: str, seen: list[int]) -> None:
    machine = detect_hardware({"CUDA_VISIBLE_DEVICES": visible})
    assert [gpu.index for gpu in machine.gpus] == seen
    assert machine.nvidia == bool(seen)


@pytest.mark.parametrize(
    "script", ["exit 9", "echo 0, GPU-a, NVIDIA GB10, [N/A], [N/A]", "echo 'No devices'"]
)
def test_a_tool_that_fails_tells_nothing(cards: Path, script: str) -> None:
    cards.write_text(f"#!/bin/sh\n{script}\n")
    assert detect_hardware().gpus == ()


def test_free_memory_is_found_and_a_container_limits_it(tmp_path: Path) -> None:
    free = detect_hardware().free_gib
    assert free is None or 0 < free < 10_000
    for name, text in (
        ("memory.max", f"{8 * 1024**3}"),
        ("memory.current", f"{6 * 1024**3}"),
        ("memory.stat", f"anon 1\ninactive_file {1024**3}"),
    ):
        (tmp_path / name).write_text(text)
    assert hardware._container_free_gib(tmp_path) == 3.0
    (tmp_path / "memory.max").write_text("max")
    assert hardware._container_free_gib(tmp_path) is None


def test_the_fewest_cards_that_hold_the_weights_the_emptiest_first() -> None:
    small, large = ModelSize(weights_gib=15, heads=32), ModelSize(weights_gib=140, heads=64)
    assert gpu_sizes(gpus(79), small) == GpuSizes(memory_share=0.9)
    assert gpu_sizes(gpus(10, 79), small) == GpuSizes(memory_share=0.9, devices="1")
    spread = gpu_sizes(gpus(79, 79, 79, 79), large)
    assert (spread.tensor_parallel, spread.devices) == (4, None)
    assert gpu_sizes(gpus(79, 79, 79), large).tensor_parallel == 2  # 3 does not divide the heads
    assert gpu_sizes(gpus(79, 79, 79, 79), None).tensor_parallel == 4  # who knows how large it is


def test_what_others_hold_of_a_card_is_left_to_them() -> None:
    assert gpu_sizes(gpus(40), ModelSize(weights_gib=15)).memory_share == 0.48
    with pytest.raises(EngineStartFailed, match=r"GPU 0 .* is full: 3.0 of 80 GiB are free"):
        gpu_sizes(gpus(3), ModelSize(weights_gib=1))


def test_what_is_given_is_taken() -> None:
    sizes = gpu_sizes(gpus(79, 79, 79, 79), None, tensor_parallel=2, data_parallel=2, memory_share=0.5)
    assert sizes == GpuSizes(tensor_parallel=2, data_parallel=2, memory_share=0.5)
    assert gpu_sizes(gpus(79, 79), None, data_parallel=2).tensor_parallel == 1
    assert gpu_sizes(gpus(10, 79), ModelSize(weights_gib=1), choose_devices=False).devices is None
    with pytest.raises(ConfigurationError, match="tensor_parallel=2 and data_parallel=2 need 4 GPUs"):
        gpu_sizes(gpus(79, 79), None, tensor_parallel=2, data_parallel=2)


def test_cards_of_which_nothing_is_known_are_left_to_vllm() -> None:
    assert gpu_sizes(Hardware(nvidia=True), None) == GpuSizes()


@pytest.mark.parametrize(("free", "cache"), [(24.0, 8), (5.0, 1), (1.0, 1), (1000.0, 64), (None, None)])
def test_the_cache_of_a_server_on_the_cpu(free: float | None, cache: int | None) -> None:
    assert cpu_cache_gib(Hardware(free_gib=free), 3.0) == cache


def test_a_folder_tells_the_size_of_its_model(tmp_path: Path) -> None:
    assert read_model(model_folder(tmp_path, gib=2, heads=12)) == ModelSize(weights_gib=2.0, heads=12)
