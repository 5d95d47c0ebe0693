"""What a server's prefix cache did, by counters of its own, where it does not tell with each answer."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass

from weaver_sdk.backends.base import ServerKind
from weaver_sdk.backends.http.response import Response, Timeouts
from weaver_sdk.backends.http.transport import Transport
from weaver_sdk.backends.probe import PROBE_SECONDS, root
from weaver_sdk.errors import BackendError, ConnectionFailed

_COUNTER = re.compile(rb"^vllm:prefix_cache_(queries|hits)_total(?:\{[^\n]*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class CacheCounters:
    """Input tokens of all requests since the server began."""

    asked: int
    hit: int
    """Those of them that came from the prefix cache."""

    def __sub__(self, before: CacheCounters) -> CacheCounters:
        """Return what was counted since then, by whoever asked the server meanwhile."""
        return CacheCounters(self.asked - before.asked, self.hit - before.hit)


async def ask_cache_counters(
    transport: Transport, server: ServerKind, seconds: float = PROBE_SECONDS
) -> CacheCounters | None:
    """Read the counters from vLLM's `/metrics`; `None` for a server that has none.

    Raises:
        ConnectionFailed: nobody answers at the address.
    """
    if server != "vllm":
        return None
    page = b""
    try:
        timeouts = Timeouts(first=seconds, idle=seconds)
        answer = await Response.open(transport, root(transport) + "/metrics", None, timeouts=timeouts)
        async with aclosing(answer):
            while piece := await answer.read(seconds):
                page += piece
    except ConnectionFailed:
        raise
    except BackendError:
        return None
    return read_cache_counters(page)


def read_cache_counters(page: bytes) -> CacheCounters | None:
    """Return the counters of a page in Prometheus's text format, summed over engines; `None` without any."""
    counted = {b"queries": 0.0, b"hits": 0.0}
    found = [(name, float(value)) for name, value in _COUNTER.findall(page)]
    for name, value in found:
        counted[name] += value
    return CacheCounters(int(counted[b"queries"]), int(counted[b"hits"])) if found else None
