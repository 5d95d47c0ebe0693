"""A fork that is written in code: every line of a question is worked out in a thread of its own."""

import asyncio

from weaver_sdk import ParallelReasoner, Scope

HOW = "Let's think step by step and output the final answer within \\boxed{}."


async def line_by_line(scope: Scope) -> None:
    lines = scope.messages[-1]["content"].splitlines()
    worked = await scope.fork(lines, lambda one, line: one.ask(f"Compute {line}\n{HOW}"), join="")
    for line, one in zip(lines, worked, strict=True):
        scope.write(f"{line}: {one.text.splitlines()[-1]}\n")


async def main() -> None:
    async with ParallelReasoner.local() as reasoner:
        mine = await reasoner.solve("12*7 + 35*4\n9*86\n58*31 + 64*27", strategy=line_by_line)
        vote = await reasoner.solve("Compute 12*7 + 35*4", strategy="voting:n=3")
    print(mine.answer)
    print(f"{mine.telemetry.threads} threads, {mine.telemetry.self_parallelism:.1f} times side by side")
    print(f"voted: {vote.answer}, {[thread.outcome for thread in vote.trace[0].threads]}")


asyncio.run(main())
