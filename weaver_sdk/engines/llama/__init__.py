"""The embedded engine: llama.cpp in a child process, spoken to over its own endpoint."""

from weaver_sdk.engines.llama.server import LlamaServer

__all__ = ["LlamaServer"]
