"""Starts and supervises a vLLM server: its command line, its processes, its log."""

from weaver_sdk.engines.vllm.server import VLLMServer

__all__ = ["VLLMServer"]
