"""Prefix-cache hits from a server's own counters, for servers that do not report them in the usage."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, server_root
from weaver_sdk.errors import BackendError, ConnectionFailed

_COUNTER = re.compile(rb"^vllm:prefix_cache_(queries|hits)_total(?:\{[^\n]*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class CacheCounters:
    """Input tokens of all requests since the server started."""

    asked: int
    hit: int
    """Of these, prefix-cache hits."""

    def __sub__(self, earlier: CacheCounters) -> CacheCounters:
        """Return the difference: the requests of all clients in between."""
        return CacheCounters(self.asked - earlier.asked, self.hit - earlier.hit)


async def ask_cache_counters(
    transport: Transport, server: ServerKind, seconds: float = PROBE_SECONDS
) -> CacheCounters | None:
    """Read the counters from vLLM's `/metrics`; `None` for a server that has none.

    Raises:
        ConnectionFailed: no server at the address.
    """
    if server != "vllm":
        return None
    page = b""
    try:
        timeouts = Timeouts(first=seconds, idle=seconds)
        response = await Response.open(
            transport, server_root(transport) + "/metrics", None, timeouts=timeouts
        )
        async with aclosing(response):
            while part := await response.read(seconds):
                page += part
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    return read_cache_counters(page)


def read_cache_counters(page: bytes) -> CacheCounters | None:
    """Parse Prometheus's text format, and sum the counters over engines; `None` if there are none."""
    counted = {b"queries": 0.0, b"hits": 0.0}
    found = [(name, float(value)) for name, value in _COUNTER.findall(page)]
    for name, value in found:
        counted[name] += value
    return CacheCounters(int(counted[b"queries"]), int(counted[b"hits"])) if found else None
