"""A scripted server in its own process, so that client and server do not share a core."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from weaver_sdk.testing.script import Script


@dataclass(frozen=True)
class SpawnedServer:
    """A scripted server that runs in another process."""

    base_url: str
    pid: int

    def counts(self) -> dict[str, int]:
        """Ask the server for its counts: started, running, most_running, finished, aborted, connections."""
        url = self.base_url.removesuffix("/v1") + "/scripted/counts"
        with urllib.request.urlopen(url, timeout=10) as response:
            counts: dict[str, int] = json.load(response)
        return counts


@contextmanager
def spawned_server(script: Script, *, pace: float = 0.005) -> Iterator[SpawnedServer]:
    """Run a scripted server in its own process; it ends with the `with` block, or with this process.

    Args:
        script: what the model writes.
        pace: seconds per token.

    Raises:
        RuntimeError: the process exited before the server was ready.
    """
    command = [sys.executable, "-m", "weaver_sdk.testing", "--pace", str(pace)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(script.to_json().encode() + b"\n")
            process.stdin.flush()
            base_url = process.stdout.readline().decode().strip()
            if not base_url:
                raise RuntimeError(f"the server's process exited with code {process.wait()}")
            yield SpawnedServer(base_url, process.pid)
        finally:
            process.stdin.close()  # the server serves until its stdin closes
