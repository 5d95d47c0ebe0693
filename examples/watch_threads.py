"""Events as they come: who is working, who has ended, and how."""

import asyncio

from weaver_sdk import ParallelReasoner


async def main() -> None:
    async with (
        ParallelReasoner.local() as reasoner,
        reasoner.stream("Compute 12*7 + 35*4 + 81*6") as run,
    ):
        async for event in run:
            match event.kind:
                case "fork_opened":
                    print(f"{event.at:6.3f} s  fork {event.fork}: {', '.join(event.outlines)}")
                case "thread_finished":
                    print(f"{event.at:6.3f} s  thread {event.thread}: {event.outcome}, {event.tokens} tokens")
                case "joined":
                    print(f"{event.at:6.3f} s  joined")
    print(run.result.answer)


asyncio.run(main())
