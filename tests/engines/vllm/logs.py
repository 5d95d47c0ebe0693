# ruff: noqa: E501 (lines of a log are as long as they are)
"""What vLLM logs, as it was seen: in part, of a start, and of each failure. Paths are changed."""

START = (
    "(APIServer pid=11951) INFO 11-23 14:48:14 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}",
    "(APIServer pid=11951) INFO 11-23 14:48:39 [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(APIServer pid=11951) WARNING 11-23 14:48:39 [vllm.py:1703] Enforce eager set, disabling torch.compile",
    "(Worker pid=12564) INFO 11-23 14:49:18 [cpu_model_runner.py:68] Starting to load model /models/nano...",
    "Loading safetensors checkpoint shards:   0% Completed | 0/2 [00:00<?, ?it/s]",
    "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00, 292.25it/s]",
    "(Worker pid=12564) INFO 11-23 14:49:19 [default_loader.py:501] Loading weights took 0.01 seconds",
    "(EngineCore pid=12479) INFO 11-23 14:49:20 [kv_cache_utils.py:2327] CPU KV cache size: 524,288 tokens",
    "(APIServer pid=11951) INFO 11-23 14:49:22 [entry.py:140] Starting vLLM server on http://127.0.0.1:8123",
)

_ENGINE_FAILED = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"

FAILURES: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown flag": (
        ("api_server.py: error: unrecognized arguments: --no-such-flag",),
        "has no flag --no-such-flag",
    ),
    "a wrong value": (
        ("api_server.py: error: argument --max-num-seqs: invalid int value: 'many'",),
        "flag --max-num-seqs: invalid int value: 'many'",
    ),
    "a cache too small for the context": (
        (
            "(EngineCore pid=14268) ERROR 11-23 16:39:12 [core.py:1510] ValueError: To serve at least one request "
            "with the model's max seq len (9999999), (19.07 GiB KV cache is needed, which is larger than the "
            "available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum model "
            "length is 524256. Try increasing `gpu_memory_utilization`",
            _ENGINE_FAILED,
        ),
        "9999999 tokens of context need 19.07 GiB, and there are 1.0 GiB. Use fewer context_tokens (at most 524256)",
    ),
    "no memory left for a cache": (
        (
            "(EngineCore pid=1) ERROR 11-23 16:39:12 [core.py:1510] ValueError: No available memory for the cache "
            "blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
            _ENGINE_FAILED,
        ),
        "the weights leave no memory for the cache",
    ),
    "a cache larger than the memory": (
        (
            "(Worker pid=15636) ERROR 11-23 16:42:36 [multiproc_executor.py:1063] ValueError: Available memory on "
            "node 0 (11.04/23.54 GiB) on kv cache allocation is less than requested memory for kv (900.0 GiB). "
            "Decrease --kv-cache-memory-bytes",
            _ENGINE_FAILED,
        ),
        "the cache needs 900.0 GiB, and 11.04 GiB are free",
    ),
    "a context longer than the model's": (
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
            "  Value error, User-specified max_model_len (9999999) is greater than the derived max_model_len "
            "(max_position_embeddings=4096.0 or model_max_length=None in model's config.json).",
        ),
        "context_tokens=9999999 is more than the 4096 that the model supports",
    ),
    "a GPU in use": (
        (
            "(EngineCore_DP0 pid=17374) ERROR 09-28 15:47:24 [core.py:718] ValueError: Free memory on device "
            "(3.22/4.0 GiB) on startup is less than desired GPU memory utilization (0.9, 3.6 GiB). Decrease GPU "
            "memory utilization or reduce GPU memory used by other processes.",
            _ENGINE_FAILED,
        ),
        "the GPU is in use: 3.22 of 4.0 GiB are free",
    ),
    "a GPU too small": (
        (
            "(EngineCore pid=1) ERROR 05-05 12:36:59 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried "
            "to allocate 224.00 MiB. GPU 0 has a total capacity of 11.53 GiB of which 187.75 MiB is free.",
            _ENGINE_FAILED,
        ),
        "the GPU's memory is too small",
    ),
    "no GPU": (("RuntimeError: Failed to infer device type",), "a build for GPUs, and it finds none"),
    "a GPU without bfloat16": (
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 "
            "GPU has compute capability 7.5. You can use float16 instead by explicitly setting the `dtype` flag",
        ),
        'too old for bfloat16: pass flags={"dtype": "half"}',
    ),
    "a quantised model in float32": (
        (
            "  Value error, torch.float32 is not supported for quantization method awq. Supported dtypes: "
            "[torch.float16, torch.bfloat16]",
        ),
        'quantised with awq cannot be computed in float32: pass flags={"dtype": "bfloat16"}',
    ),
    "a port that is taken": (
        ("OSError: [Errno 98] Address already in use",),
        "its port is in use",
    ),
    "more parts than NUMA nodes": (
        (
            "AssertionError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers. Allowed NUMA "
            "nodes are [0]. Please try to bind threads manually or decrease DP/TP/PP.",
        ),
        "leave tensor_parallel out",
    ),
    "heads that cannot be shared out": (
        (
            "  Value error, Total number of attention heads (4) must be divisible by tensor parallel size (3).",
        ),
        "tensor_parallel=3 does not divide the model's 4 attention heads",
    ),
    "an unknown architecture": (
        ("  Value error, Model architectures ['StrangeForCausalLM'] are not supported for now.",),
        "does not support the model's architecture 'StrangeForCausalLM'",
    ),
    "a model that is nowhere": (
        (
            "OSError: We couldn't connect to 'https://hub.example' to load the files, and couldn't find them in "
            "the cached files.",
        ),
        "MODEL is neither in the cache nor can it be downloaded",
    ),
    "a name that is none": (
        (
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
            "'namespace/repo_name': '/models/nothing'. Use `repo_type` argument if needed.",
        ),
        "there is no model MODEL",
    ),
    "damaged weights": (
        (
            "(Worker pid=15159) ERROR 11-23 16:40:59 [multiproc_executor.py:953] "
            "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, "
            "file not fully covered",
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        ),
        "the weights of MODEL are damaged",
    ),
    "the command of the build for CPUs": (
        ("importlib.metadata.PackageNotFoundError: No package metadata was found for vllm",),
        "pass the Python of its environment as executable",
    ),
    "too little memory": (
        (
            "(Worker pid=1) ERROR 11-23 16:50:59 [multiproc_executor.py:1063] RuntimeError: [enforce fail at "
            "alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
            "5368709120 bytes. Error code 12 (Cannot allocate memory)",
        ),
        "the memory is too small",
    ),
    "a part that was killed": (
        (
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): "
            "{'EngineCore': -9}",
        ),
        "it was killed, most likely because it ran out of memory",
    ),
    "something else": (
        (
            "(EngineCore pid=1) ERROR 11-23 16:39:12 [core.py:1510] AssertionError: a thing nobody has seen",
            _ENGINE_FAILED,
        ),
        "AssertionError: a thing nobody has seen",
    ),
}
"""Lines of the log, and what is to be said of them."""
