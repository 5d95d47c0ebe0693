"""A vLLM server of our own, from what is typed to start it to what its log tells."""

from weaver_sdk.engines.vllm.server import VLLMServer

__all__ = ["VLLMServer"]
