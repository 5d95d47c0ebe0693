"""The embedded engine: llama.cpp in a child process, used over its native endpoint."""

from weaver_sdk.engines.llama.server import LlamaServer

__all__ = ["LlamaServer"]
