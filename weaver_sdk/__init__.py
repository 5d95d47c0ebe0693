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
    from weaver_sdk.backends.http.response import Timeouts
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
        QuestionOutOfRange,
        TruncatedStream,
        WeaverError,
        partial_result,
    )
    from weaver_sdk.events import Event, dump_event, load_event
    from weaver_sdk.findings import Draft, Findings
    from weaver_sdk.markup.dialect import THREADWEAVER, Dialect
    from weaver_sdk.messages import Message, Messages
    from weaver_sdk.options import Budget, Limits, Mode, Prices, RetryPolicy, Sampling
    from weaver_sdk.reasoner import ParallelReasoner
    from weaver_sdk.result import Fork, ModelUsage, Repair, Result, Segment, Telemetry, Thread, Trace
    from weaver_sdk.run_options import RunOptions
    from weaver_sdk.runtime.board import Board
    from weaver_sdk.runtime.completion import Completion
    from weaver_sdk.runtime.forks import Stitching
    from weaver_sdk.runtime.scope import Scope
    from weaver_sdk.runtime.stream import RunStream
    from weaver_sdk.runtime.stream_sync import SyncRunStream
    from weaver_sdk.runtime.threads import Promise
    from weaver_sdk.settings import Server
    from weaver_sdk.strategies.best_of import BestOf
    from weaver_sdk.strategies.native import Native
    from weaver_sdk.strategies.plan import Part, Plan, PlanExample
    from weaver_sdk.strategies.plan_and_solve import PlanAndSolve
    from weaver_sdk.strategies.planned import PlannedStrategy
    from weaver_sdk.strategies.prompted import PromptedStrategy
    from weaver_sdk.strategies.strategy import Strategy
    from weaver_sdk.strategies.voting import Voting
    from weaver_sdk.strategies.worked import WorkedExample

__version__ = "0.1.0"

_MODULES = {
    "weaver_sdk.backends.http.response": ("Timeouts",),
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
        "QuestionOutOfRange",
        "TruncatedStream",
        "WeaverError",
        "partial_result",
    ),
    "weaver_sdk.events": ("Event", "dump_event", "load_event"),
    "weaver_sdk.findings": ("Draft", "Findings"),
    "weaver_sdk.markup.dialect": ("THREADWEAVER", "Dialect"),
    "weaver_sdk.messages": ("Message", "Messages"),
    "weaver_sdk.options": ("Budget", "Limits", "Mode", "Prices", "RetryPolicy", "Sampling"),
    "weaver_sdk.reasoner": ("ParallelReasoner",),
    "weaver_sdk.result": (
        "Fork",
        "ModelUsage",
        "Repair",
        "Result",
        "Segment",
        "Telemetry",
        "Thread",
        "Trace",
    ),
    "weaver_sdk.run_options": ("RunOptions",),
    "weaver_sdk.runtime.board": ("Board",),
    "weaver_sdk.runtime.completion": ("Completion",),
    "weaver_sdk.runtime.forks": ("Stitching",),
    "weaver_sdk.runtime.scope": ("Scope",),
    "weaver_sdk.runtime.stream": ("RunStream",),
    "weaver_sdk.runtime.stream_sync": ("SyncRunStream",),
    "weaver_sdk.runtime.threads": ("Promise",),
    "weaver_sdk.settings": ("Server",),
    "weaver_sdk.strategies.best_of": ("BestOf",),
    "weaver_sdk.strategies.native": ("Native",),
    "weaver_sdk.strategies.plan_and_solve": ("PlanAndSolve",),
    "weaver_sdk.strategies.plan": ("Part", "Plan", "PlanExample"),
    "weaver_sdk.strategies.planned": ("PlannedStrategy",),
    "weaver_sdk.strategies.prompted": ("PromptedStrategy",),
    "weaver_sdk.strategies.strategy": ("Strategy",),
    "weaver_sdk.strategies.voting": ("Voting",),
    "weaver_sdk.strategies.worked": ("WorkedExample",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "THREADWEAVER",
    "APIStatusError",
    "Backend",
    "BackendError",
    "BestOf",
    "Board",
    "Budget",
    "BudgetError",
    "Capabilities",
    "ChatBackend",
    "Chunk",
    "Completion",
    "CompletionRequest",
    "CompletionsBackend",
    "ConfigurationError",
    "ConnectionFailed",
    "Dialect",
    "Draft",
    "EngineError",
    "EngineNotInstalled",
    "EngineStartFailed",
    "Event",
    "Findings",
    "Fork",
    "IdleTimeout",
    "Limits",
    "LiteLLMBackend",
    "LlamaServer",
    "MarkupError",
    "Message",
    "Messages",
    "Mode",
    "ModelUsage",
    "Native",
    "ParallelReasoner",
    "Part",
    "Plan",
    "PlanAndSolve",
    "PlanExample",
    "PlannedStrategy",
    "Prices",
    "Promise",
    "Prompt",
    "PromptedStrategy",
    "ProtocolError",
    "QuestionOutOfRange",
    "Repair",
    "Result",
    "RetryPolicy",
    "RunOptions",
    "RunStream",
    "Sampling",
    "Scope",
    "Segment",
    "Server",
    "Stitching",
    "Strategy",
    "SyncRunStream",
    "Telemetry",
    "Thread",
    "Timeouts",
    "TokenLogprob",
    "Trace",
    "TruncatedStream",
    "Usage",
    "VLLMServer",
    "Voting",
    "WeaverError",
    "WorkedExample",
    "dump_event",
    "load_event",
    "partial_result",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `weaver --help` does not pay for HTTP."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
