"""`python -m weaver_sdk.testing`: serve a scripted model until stdin closes.

Reads a script (one line of JSON, as `Script.to_json` writes it) from stdin, or builds a simple one with
`--problems`; prints the server's base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from weaver_sdk.testing.script import Script, fork_join_script
from weaver_sdk.testing.server import ScriptedServer


async def serve(script: Script, pace: float) -> None:
    """Serve until stdin closes, so that the server never outlives the process that started it."""
    async with ScriptedServer(script, pace=pace) as server:
        print(server.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m weaver_sdk.testing", description=__doc__)
    parser.add_argument("--pace", type=float, default=0.005, help="seconds per token")
    parser.add_argument("--problems", type=int, help="build a script of this many problems; read none")
    args = parser.parse_args()
    script = fork_join_script(args.problems) if args.problems else Script.from_json(sys.stdin.readline())
    asyncio.run(serve(script, args.pace))


if __name__ == "__main__":
    main()
