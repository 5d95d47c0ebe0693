"""Is a fork worth it here? The same model and the same problem in both modes, on the wall clock."""

import asyncio

from weaver_sdk import ParallelReasoner

PROBLEM = "Compute 47*86 + 93*12 + 58*31 + 64*27"


async def main() -> None:
    async with ParallelReasoner.local() as reasoner:
        await reasoner.solve(PROBLEM)  # the first run warms the caches
        parallel = await reasoner.solve(PROBLEM)
        sequential = await reasoner.solve(PROBLEM, mode="sequential")
    for result in (parallel, sequential):
        told = result.telemetry
        print(f"{result.mode:<10}  {told.wall_seconds:.3f} s  {told.critical_path_tokens} tokens on the way")
    print(f"wall speedup {sequential.telemetry.wall_seconds / parallel.telemetry.wall_seconds:.2f}")


asyncio.run(main())
