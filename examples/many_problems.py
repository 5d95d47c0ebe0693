"""Many problems at once; each result comes as soon as it is done and knows its place."""

import asyncio

from weaver_sdk import Budget, ParallelReasoner

PROBLEMS = [f"Compute {a}*{b} + {c}*{d}" for a, b, c, d in [(12, 7, 9, 31), (55, 4, 18, 6), (23, 9, 14, 8)]]


async def main() -> None:
    async with ParallelReasoner.local(budget=Budget(total_tokens=2_000, seconds=30)) as reasoner:
        async for result in reasoner.solve_many(PROBLEMS, concurrency=3):
            print(f"{result.index}: {result.problem} = {result.answer} ({result.finish})")


asyncio.run(main())
