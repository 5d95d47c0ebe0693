"""weaver-sdk: make a language model think in parallel.

```python
from weaver_sdk import ParallelReasoner

async with ParallelReasoner(model="my-model", base_url="http://127.0.0.1:8000/v1") as reasoner:
    result = await reasoner.solve("Compute 47*86 + 93*12")
    print(result.answer)
```
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weaver_sdk.backends.answer import Timeouts
    from weaver_sdk.backends.base import (
        Backend,
        Capabilities,
        Chunk,
        CompletionRequest,
        Prompt,
        TokenLogprob,
        Usage,
    )
    from weaver_sdk.backends.chat import ChatBackend
    from weaver_sdk.backends.completions import CompletionsBackend
    from weaver_sdk.backends.litellm import LiteLLMBackend
    from weaver_sdk.engines.llama import LlamaServer
    from weaver_sdk.engines.vllm import VLLMServer
    from weaver_sdk.errors import (
        APIStatusError,
        BackendError,
        BudgetError,
        ConfigurationError,
        ConnectionFailed,
        EngineError,
        EngineNotInstalled,
        EngineStartFailed,
        IdleTimeout,
        MarkupError,
        ProtocolError,
        TruncatedStream,
        WeaverError,
    )
    from weaver_sdk.events import Event, dump_event, load_event
    from weaver_sdk.markup.dialect import THREADWEAVER, Dialect
    from weaver_sdk.messages import Message, Messages
    from weaver_sdk.options import Budget, Limits, Mode, RetryPolicy, Sampling
    from weaver_sdk.reasoner import ParallelReasoner
    from weaver_sdk.result import Fork, Repair, Result, Segment, Telemetry, Thread, Trace
    from weaver_sdk.runtime.stream import RunStream
    from weaver_sdk.strategies.planned import PlannedStrategy
    from weaver_sdk.strategies.prompted import PromptedStrategy
    from weaver_sdk.strategies.worked import WorkedExample

__version__ = "0.1.0"

_ROOMS = {
    "weaver_sdk.backends.answer": ("Timeouts",),
    "weaver_sdk.backends.base": (
        "Backend",
        "Capabilities",
        "Chunk",
        "CompletionRequest",
        "Prompt",
        "TokenLogprob",
        "Usage",
    ),
    "weaver_sdk.backends.chat": ("ChatBackend",),
    "weaver_sdk.backends.completions": ("CompletionsBackend",),
    "weaver_sdk.backends.litellm": ("LiteLLMBackend",),
    "weaver_sdk.engines.llama": ("LlamaServer",),
    "weaver_sdk.engines.vllm": ("VLLMServer",),
    "weaver_sdk.errors": (
        "APIStatusError",
        "BackendError",
        "BudgetError",
        "ConfigurationError",
        "ConnectionFailed",
        "EngineError",
        "EngineNotInstalled",
        "EngineStartFailed",
        "IdleTimeout",
        "MarkupError",
        "ProtocolError",
        "TruncatedStream",
        "WeaverError",
    ),
    "weaver_sdk.events": ("Event", "dump_event", "load_event"),
    "weaver_sdk.markup.dialect": ("THREADWEAVER", "Dialect"),
    "weaver_sdk.messages": ("Message", "Messages"),
    "weaver_sdk.options": ("Budget", "Limits", "Mode", "RetryPolicy", "Sampling"),
    "weaver_sdk.reasoner": ("ParallelReasoner",),
    "weaver_sdk.result": ("Fork", "Repair", "Result", "Segment", "Telemetry", "Thread", "Trace"),
    "weaver_sdk.runtime.stream": ("RunStream",),
    "weaver_sdk.strategies.planned": ("PlannedStrategy",),
    "weaver_sdk.strategies.prompted": ("PromptedStrategy",),
    "weaver_sdk.strategies.worked": ("WorkedExample",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "THREADWEAVER",
    "APIStatusError",
    "Backend",
    "BackendError",
    "Budget",
    "BudgetError",
    "Capabilities",
    "ChatBackend",
    "Chunk",
    "CompletionRequest",
    "CompletionsBackend",
    "ConfigurationError",
    "ConnectionFailed",
    "Dialect",
    "EngineError",
    "EngineNotInstalled",
    "EngineStartFailed",
    "Event",
    "Fork",
    "IdleTimeout",
    "Limits",
    "LiteLLMBackend",
    "LlamaServer",
    "MarkupError",
    "Message",
    "Messages",
    "Mode",
    "ParallelReasoner",
    "PlannedStrategy",
    "Prompt",
    "PromptedStrategy",
    "ProtocolError",
    "Repair",
    "Result",
    "RetryPolicy",
    "RunStream",
    "Sampling",
    "Segment",
    "Telemetry",
    "Thread",
    "Timeouts",
    "TokenLogprob",
    "Trace",
    "TruncatedStream",
    "Usage",
    "VLLMServer",
    "WeaverError",
    "WorkedExample",
    "dump_event",
    "load_event",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `weaver --help` does not pay for HTTP."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
