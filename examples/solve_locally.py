"""The packaged model on an embedded engine: no key, no GPU, no server of yours."""

import asyncio

from weaver_sdk import ParallelReasoner


async def main() -> None:
    async with ParallelReasoner.local() as reasoner:
        result = await reasoner.solve("Compute 47*86 + 93*12 + 58*31 + 64*27")
    told = result.telemetry
    print(result.text)
    print(f"answer {result.answer}: {told.threads} threads, {told.wall_seconds:.2f} s")


asyncio.run(main())
