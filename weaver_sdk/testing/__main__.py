"""`python -m weaver_sdk.testing`: serve a scripted model until the standard input ends.

Reads a script (one line of JSON, as `Script.to_json` writes it) from the standard input, or makes a simple
one by `--problems`; writes the address to the standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from weaver_sdk.testing.script import Script, fork_join_script
from weaver_sdk.testing.server import ScriptedServer


async def serve(script: Script, pace: float) -> None:
    """Serve until the standard input ends, so that the server never outlives who started it."""
    async with ScriptedServer(script, pace=pace) as server:
        print(server.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m weaver_sdk.testing", description=__doc__)
    parser.add_argument("--pace", type=float, default=0.005, help="seconds from one token to the next")
    parser.add_argument("--problems", type=int, help="make a script of so many problems, and read none")
    asked = parser.parse_args()
    script = fork_join_script(asked.problems) if asked.problems else Script.from_json(sys.stdin.readline())
    asyncio.run(serve(script, asked.pace))


if __name__ == "__main__":
    main()
