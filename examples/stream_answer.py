"""The answer as text while it is written: from a script without an event loop, and from async code."""

import asyncio

from weaver_sdk import ParallelReasoner

QUESTION = "Compute 12*7 + 35*4 + 81*6"


def from_a_script() -> None:
    with ParallelReasoner.local().stream_sync(QUESTION) as run:
        for text in run.text():
            print(text, end="", flush=True)
    print(f"  <- {run.result.telemetry.wall_seconds:.2f} s")


async def from_async_code() -> None:
    async with ParallelReasoner.local() as reasoner, reasoner.stream(QUESTION) as run:

        async def think() -> None:
            async for thought in run.reasoning():
                print(thought, end="", flush=True)

        async def say() -> None:
            said = [text async for text in run.text()]
            print("".join(said))

        await asyncio.gather(think(), say())  # both at once; the events could be read beside them


from_a_script()
asyncio.run(from_async_code())
