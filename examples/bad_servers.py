"""A run that survives a failing thread: what is marked, and where. Needs no model."""

import asyncio

from weaver_sdk import APIStatusError, ParallelReasoner
from weaver_sdk.testing import Reply, ScriptedBackend

OUTLINES = "<think>\n<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
BACKEND = ScriptedBackend(
    [
        Reply(OUTLINES, "Q\n"),
        Reply(" 40\n</Thread>", "<Thread>\n1:"),
        Reply(" 2", "<Thread>\n2:", error=APIStatusError("the server is on fire", status=500)),
        Reply("</Parallel>\n40 + 2 = 42\n</think>\n\\boxed{42}", "</Thread>\n"),
    ]
)


async def main() -> None:
    reasoner = ParallelReasoner(backend=BACKEND, template=lambda messages: "Q\n")
    result = await reasoner.solve("What are both parts together?")
    print(f"answer {result.answer}")
    for repair in result.repairs:
        print(f"fork {repair.fork}, thread {repair.thread}: {repair.kind}, {repair.done}")


asyncio.run(main())
