"""A program that behaves like vLLM, as an executable; and a model's folder without a model in it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_name("program.py")


def scripted_vllm(folder: Path, **scenario: Any) -> Path:
    """Write a `vllm` command that plays a scenario, as `program.py` describes them."""
    command = folder / "vllm"
    words = shlex.join([sys.executable, str(_PROGRAM), json.dumps(scenario)])
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    return command


def model_folder(folder: Path, *, gib: float = 0.001, heads: int = 4) -> Path:
    """Make a folder that looks like a model of a size; its weights are a hole."""
    model = folder / "my-model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"num_attention_heads": heads}))
    with (model / "model.safetensors").open("wb") as file:
        file.truncate(int(gib * 1024**3))
    return model
