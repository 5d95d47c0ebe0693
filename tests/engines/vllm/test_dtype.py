"""A server on the CPU computes in the number format that batches well on it, and says why."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.scripts import model_folder, scripted_vllm
from weaver_sdk.engines.hardware import Hardware, read_cpu_flags
from weaver_sdk.engines.vllm import VLLMServer
from weaver_sdk.engines.vllm.build import Build
from weaver_sdk.engines.vllm.choice import LaunchOptions, choose_command
from weaver_sdk.engines.vllm.command import Flags, ServeCommand, read_flags
from weaver_sdk.engines.vllm.dtype import cpu_dtype
from weaver_sdk.engines.vllm.sizes import ModelSize, read_model

X86 = """\
processor\t: {core}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) with avx512_bf16 in its name
flags\t\t: fpu sse2 avx avx2 fma{more}
vmx flags\t: vnmi amx_bf16
bugs\t\t: spectre_v1
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd {more}\nCPU implementer\t: 0x41\n"
CPU = Build(command=("python", "-m", "vllm…"), model_flag=True, version="0.32.0", cpu=True)
AVX2 = frozenset({"avx2", "fma"})


def machine(cpuinfo: str) -> Hardware:
    return Hardware(free_gib=24, cpu_flags=read_cpu_flags(cpuinfo))


@pytest.mark.parametrize(
    ("cpuinfo", "dtype", "why"),
    [
        (X86.format(core=0, more=""), "float32", "this CPU has neither AVX-512 BF16 nor AMX"),
        (X86.format(core=0, more=" avx512f avx512_bf16"), "bfloat16", "this CPU has AVX-512 BF16"),
        (
            X86.format(core=0, more=" avx512f avx512bw avx512_vnni"),
            "float32",
            "this CPU has neither AVX-512 BF16 nor AMX",
        ),
        (X86.format(core=0, more=" avx512f amx_tile amx_bf16"), "bfloat16", "this CPU has AMX"),
        (X86.format(core=0, more=" avx_vnni avx512"), "float32", "this CPU has neither AVX-512 BF16 nor AMX"),
        (ARM.format(more="bf16"), "bfloat16", "this CPU has BF16"),
        ("", "bfloat16", "the flags of this CPU are unknown"),
        ("Processor: something else", "bfloat16", "the flags of this CPU are unknown"),
    ],
)
def test_the_format_is_the_one_that_batches_on_this_cpu(cpuinfo: str, dtype: str, why: str) -> None:
    chosen = cpu_dtype(machine(cpuinfo), None)
    assert (chosen.name, chosen.why) == (dtype, why)


def test_only_what_every_core_supports_counts() -> None:
    both = X86.format(core=0, more=" avx512f") + "\n" + X86.format(core=1, more="")
    assert read_cpu_flags(both) == {"fpu", "sse2", "avx", "avx2", "fma"}


@given(st.text())
def test_any_text_can_be_read(cpuinfo: str) -> None:
    assert all(flag and not flag.isspace() for flag in read_cpu_flags(cpuinfo))


def command_for(model: Path, hardware: Hardware, flags: Flags = ()) -> ServeCommand:
    options = LaunchOptions(
        model=str(model), folder=True, model_name="m", host="127.0.0.1", flags=read_flags(flags)
    )
    return choose_command(CPU, options, hardware, 8123)


@pytest.mark.parametrize(
    "flags", [{"dtype": "bfloat16"}, ["--dtype", "bfloat16"], ["--dtype=bfloat16"], {"dtype": None}]
)
def test_a_format_that_the_user_gives_is_kept_and_needs_no_reason(tmp_path: Path, flags: Flags) -> None:
    command = command_for(model_folder(tmp_path), Hardware(free_gib=24, cpu_flags=AVX2), flags)
    assert "float32" not in command.words
    assert command.note is None


def test_the_choice_stands_in_the_command_with_its_reason(tmp_path: Path) -> None:
    command = command_for(model_folder(tmp_path), Hardware(free_gib=24, cpu_flags=AVX2))
    assert command.words[command.words.index("--dtype") + 1] == "float32"
    assert command.note == "float32: this CPU has neither AVX-512 BF16 nor AMX"


@pytest.mark.parametrize(
    ("flags", "stored", "cache"),
    [
        ((), "bfloat16", 6),  # float32: (24 - 4 - 8) / 2
        ({"dtype": "bfloat16"}, "bfloat16", 8),
        ({"dtype": "float32"}, "float32", 8),
        ({"dtype": "half"}, "float32", 9),
        ({"dtype": None}, "bfloat16", 8),
    ],
)
def test_the_cache_leaves_room_for_the_weights_in_that_format(
    tmp_path: Path, flags: Flags, stored: str, cache: int
) -> None:
    model = model_folder(tmp_path, gib=4)
    (model / "config.json").write_text(json.dumps({"torch_dtype": stored}))
    command = command_for(model, Hardware(free_gib=24, cpu_flags=AVX2), flags)
    assert command.environment["VLLM_CPU_KVCACHE_SPACE"] == str(cache)


def test_weights_that_fit_only_in_bfloat16_are_computed_in_it() -> None:
    small = Hardware(free_gib=30, cpu_flags=AVX2)
    chosen = cpu_dtype(small, ModelSize(weights_gib=14))
    assert chosen.name == "bfloat16"
    assert (
        chosen.why == "this CPU has neither AVX-512 BF16 nor AMX, but float32 needs 32 GiB, and 30 are free"
    )
    assert cpu_dtype(small, ModelSize(weights_gib=14, bits=32)).name == "float32"
    assert cpu_dtype(Hardware(cpu_flags=AVX2), ModelSize(weights_gib=14)).name == "float32"


def test_a_quantised_model_is_computed_in_bfloat16(tmp_path: Path) -> None:
    model = model_folder(tmp_path)
    (model / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "awq"}}))
    assert read_model(model).bits is None
    command = command_for(model, Hardware(free_gib=24, cpu_flags=AVX2))
    assert command.words[command.words.index("--dtype") + 1] == "bfloat16"
    assert command.note is not None
    assert command.note.endswith("a quantised model cannot be computed in float32")


@pytest.mark.parametrize(
    ("config", "bits"),
    [
        ({}, 16),
        ({"dtype": "float32"}, 32),
        ({"torch_dtype": "float32"}, 32),
        ({"dtype": "bfloat16"}, 16),
        ({"text_config": {"dtype": "float32"}}, 32),
        ({"quantization_config": {"quant_method": "gptq"}, "dtype": "float32"}, None),
        ({"quantization_config": None}, 16),
    ],
)
def test_a_folder_tells_the_bits_of_a_weight(
    tmp_path: Path, config: dict[str, object], bits: int | None
) -> None:
    model = model_folder(tmp_path)
    (model / "config.json").write_text(json.dumps(config))
    assert read_model(model).bits == bits


async def test_a_server_says_what_it_computes_in_while_it_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "weaver_sdk.engines.vllm.server.detect_hardware", lambda _: Hardware(free_gib=24, cpu_flags=AVX2)
    )
    server = VLLMServer(model_folder(tmp_path), executable=scripted_vllm(tmp_path), device="cpu")
    assert server.dtype_note is None
    with caplog.at_level(logging.INFO, "weaver_sdk"):
        async with server:
            assert server.dtype_note == "float32: this CPU has neither AVX-512 BF16 nor AMX"
            assert "--dtype float32" in (server.command or "")
    assert "vLLM computes in float32: this CPU has neither AVX-512 BF16 nor AMX" in caplog.text
    assert server.dtype_note is None
